"""Hooks as they are run: commands without a shell, and URLs that are told."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lgtm_deploy.adapters.command import run_hook
from lgtm_deploy.core.plan import Webhook

TOLD = {"LGTM_DEPLOY_HOOK_EVENT": "RollbackStarted", "LGTM_DEPLOY_HOOK_RUN": "7f3a", "LGTM_DEPLOY_HOOK_REASON": "“b”"}


class Listener(ThreadingHTTPServer):
    """Answers 204, or what its path says; `/slow` only once it is let go."""

    heard: list[tuple[str, dict[str, Any]]]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard = []
        self.go = threading.Event()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.headers["Content-Type"], json.loads(body)))
        if self.path == "/slow":
            self.server.go.wait(10)
        self.send_response({"/teapot": 418, "/moved": 302}.get(self.path, 204))
        self.send_header("Location", self.server.url())
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.go.set()
        server.shutdown()
        thread.join()


def test_a_url_gets_the_event_as_json(listener: Listener) -> None:
    assert run_hook(Webhook(url=listener.url()), TOLD, 5.0) == (0, "")

    assert listener.heard == [("application/json", {"event": "RollbackStarted", "run": "7f3a", "reason": "“b”"})]


def test_a_url_may_stand_in_the_environment(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_hook(Webhook(url_env="LGTM_HOOK"), TOLD, 5.0) == (127, "LGTM_HOOK is not set")

    monkeypatch.setenv("LGTM_HOOK", listener.url())
    assert run_hook(Webhook(url_env="LGTM_HOOK"), TOLD, 5.0) == (0, "")


@pytest.mark.parametrize(("path", "said"), [("/teapot", "answered 418"), ("/moved", "answered 302")])
def test_any_other_answer_is_a_failure(listener: Listener, path: str, said: str) -> None:
    assert run_hook(Webhook(url=listener.url(path)), TOLD, 5.0) == (1, said)
    assert len(listener.heard) == 1


def test_nobody_waits_for_a_url_that_does_not_answer(listener: Listener) -> None:
    began = time.monotonic()

    assert run_hook(Webhook(url=listener.url("/slow")), TOLD, 0.2) == (124, "no answer after 0.2 s")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret", "http://[secret", "https://\x00secret"])
def test_what_cannot_be_reached_is_said_without_the_url(url: str) -> None:
    code, why = run_hook(Webhook(url=url), TOLD, 2.0)

    assert code == 127
    assert why.startswith("cannot be told: ")
    assert "secret" not in why


def test_a_command_is_no_shell_line_and_is_told_by_its_environment() -> None:
    show = "import os, sys; sys.exit(os.environ['LGTM_DEPLOY_HOOK_RUN'] + sys.argv[1])"

    assert run_hook((sys.executable, "-c", show, "$HOME; ls"), TOLD, 20.0) == (1, "7f3a$HOME; ls")


def test_a_command_that_hangs_or_is_not_there() -> None:
    assert run_hook((sys.executable, "-c", "import time; time.sleep(60)"), TOLD, 0.3)[0] == 124
    assert run_hook(("/nowhere/at-all",), TOLD, 1.0) == (127, "cannot be started: No such file or directory")
