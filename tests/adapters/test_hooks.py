"""Hooks as they are run: commands without a shell, and URLs that are told."""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.adapters.child import KilledError
from lgtm_deploy.adapters.command import run_hook
from lgtm_deploy.core.errors import InterruptedRunError
from lgtm_deploy.core.plan import Webhook

TOLD = {"LGTM_DEPLOY_HOOK_EVENT": "RollbackStarted", "LGTM_DEPLOY_HOOK_RUN": "7f3a", "LGTM_DEPLOY_HOOK_REASON": "“b”"}


def going_on(_: str) -> None:
    return


class Stopping:
    """Progress that raises once something is there; gives up after a while, so that no test can hang."""

    def __init__(self, ready: Callable[[], object]) -> None:
        self._ready = ready
        self._end = time.monotonic() + 60

    def __call__(self, _: str) -> None:
        assert time.monotonic() < self._end, "waited in vain"
        if self._ready():
            raise InterruptedRunError("interrupted twice")


class Listener(ThreadingHTTPServer):
    """Answers 204, or what its path says; `/slow` only once it is let go, `/trickle` a letter at a time until then."""

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
        if self.path == "/trickle":
            self.wfile.write(b"HTTP/1.1 204 No Content\r\nSlow: ")
            with contextlib.suppress(OSError):
                while not self.server.go.wait(0.02):
                    self.wfile.write(b"-")
            return
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
    assert run_hook(Webhook(url=listener.url()), TOLD, 5.0, going_on) == (0, "")

    assert listener.heard == [("application/json", {"event": "RollbackStarted", "run": "7f3a", "reason": "“b”"})]


def test_a_url_may_stand_in_the_environment(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_hook(Webhook(url_env="LGTM_HOOK"), TOLD, 5.0, going_on) == (127, "LGTM_HOOK is not set")

    monkeypatch.setenv("LGTM_HOOK", listener.url())
    assert run_hook(Webhook(url_env="LGTM_HOOK"), TOLD, 5.0, going_on) == (0, "")


@pytest.mark.parametrize(("path", "said"), [("/teapot", "answered 418"), ("/moved", "answered 302")])
def test_any_other_answer_is_a_failure(listener: Listener, path: str, said: str) -> None:
    assert run_hook(Webhook(url=listener.url(path)), TOLD, 5.0, going_on) == (1, said)
    assert len(listener.heard) == 1


@pytest.mark.parametrize("path", ["/slow", "/trickle"])
def test_nobody_waits_for_a_url_that_does_not_answer(listener: Listener, path: str) -> None:
    assert run_hook(Webhook(url=listener.url(path)), TOLD, 0.3, going_on) == (124, "no answer after 0.3 s")


def test_nobody_waits_for_a_url_when_the_run_is_to_stop(listener: Listener) -> None:
    stopping = Stopping(lambda: listener.heard)

    assert run_hook(Webhook(url=listener.url("/slow")), TOLD, 60.0, stopping) == (130, "stopped: interrupted twice")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret", "http://[secret", "https://\x00secret"])
def test_what_cannot_be_reached_is_said_without_the_url(url: str) -> None:
    code, why = run_hook(Webhook(url=url), TOLD, 2.0, going_on)

    assert code == 127
    assert why.startswith("cannot be told: ")
    assert "secret" not in why


def test_a_command_is_no_shell_line_and_is_told_by_its_environment() -> None:
    show = "import os, sys; sys.exit(os.environ['LGTM_DEPLOY_HOOK_RUN'] + sys.argv[1])"

    assert run_hook((sys.executable, "-c", show, "$HOME; ls"), TOLD, 20.0, going_on) == (1, "7f3a$HOME; ls")


def test_a_command_that_hangs_or_is_not_there() -> None:
    assert run_hook((sys.executable, "-c", "import time; time.sleep(60)"), TOLD, 0.3, going_on)[0] == 124
    assert run_hook(("/nowhere/at-all",), TOLD, 1.0, going_on) == (127, "cannot be started: No such file or directory")


# Starts another that would go on for long, and neither of them minds an interrupt.
STUBBORN = "trap '' INT; sleep 60 & echo $! > $0.part; mv $0.part $0; wait"


def is_gone(process: int) -> bool:
    """Whether it has ended; waits for it, for a killed process takes a moment to be taken away."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text():
                continue
        return True
    return False


def test_a_command_that_is_stopped_is_gone_with_all_that_it_has_started(tmp_path: Path) -> None:
    told = tmp_path / "process"

    ended = run_hook(("sh", "-c", STUBBORN, str(told)), TOLD, 60.0, Stopping(told.exists))

    assert ended == (130, "stopped: interrupted twice")
    assert is_gone(int(told.read_text()))


def test_a_command_that_is_out_of_time_is_gone_with_all_that_it_has_started(tmp_path: Path) -> None:
    told = tmp_path / "process"

    assert run_hook(("sh", "-c", STUBBORN, str(told)), TOLD, 1.0, going_on) == (124, "not done after 1 s")
    assert is_gone(int(told.read_text()))


def test_a_terminals_ctrl_c_does_not_reach_a_command() -> None:
    show = "import os, sys; sys.exit(f'{os.getpgid(0)} {os.getsid(0)}')"

    _, said = run_hook((sys.executable, "-c", show), TOLD, 20.0, going_on)

    group, session = map(int, said.split())
    assert (group, session) != (os.getpgid(0), os.getsid(0))
    assert group == session


def test_a_command_that_leaves_another_running_is_done() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"

    assert run_hook((sys.executable, "-c", code), TOLD, 20.0, going_on) == (0, "")


def test_what_is_told_may_quote_any_output() -> None:
    told = {"LGTM_DEPLOY_HOOK_REASON": "a\0b"}
    show = "import os, sys; sys.exit(os.environ['LGTM_DEPLOY_HOOK_REASON'])"

    assert run_hook((sys.executable, "-c", show), told, 20.0, going_on) == (1, "ab")


def test_what_is_no_request_to_stop_is_let_through_and_the_command_is_gone(tmp_path: Path) -> None:
    told = tmp_path / "process"

    def broken(_: str) -> None:
        if told.exists():
            raise ZeroDivisionError

    with pytest.raises(KilledError) as found:
        run_hook(("sh", "-c", STUBBORN, str(told)), TOLD, 60.0, broken)

    assert isinstance(found.value.__cause__, ZeroDivisionError)
    assert is_gone(int(told.read_text()))
