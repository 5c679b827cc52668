"""Which runs are found where a stack has environments that share their state, and a sandbox among them."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lgtm_deploy.cli.memory import remembered
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.cli.wiring import find_run
from lgtm_deploy.core.errors import NotFoundError, UsageError
from lgtm_deploy.core.event import RunStarted
from lgtm_deploy.fakes import FakeJournal
from lgtm_deploy.sandbox import connection as sandbox
from lgtm_deploy.sandbox.image_choice import Choice
from tests.config.files import STACK, lay_stack

SHARED = STACK.replace("    cluster: lgtm\n", "    cluster: lgtm\n    state: s3://runs/lgtm\n")
LOCAL_AWS = SHARED.partition("environments:\n")[2].replace("prod:", "local:") + "    endpoint: sandbox\n"
EMPTY = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'


class Bucket(ThreadingHTTPServer):
    """An empty one, which notes who asks it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.callers: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: Bucket

    def do_GET(self) -> None:
        self.server.callers.add(self.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        self.send_response(200)
        self.send_header("Content-Length", str(len(EMPTY)))
        self.end_headers()
        self.wfile.write(EMPTY)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Bucket, Bucket]]:
    """The one that this process's own settings lead to, and the sandbox's, which is up."""
    with ExitStack() as stack:
        real, local = stack.enter_context(bucket()), stack.enter_context(bucket())
        monkeypatch.setenv("AWS_ENDPOINT_URL", real.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        keys = {"AWS_ENDPOINT_URL": local.url, "AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox"}
        monkeypatch.setattr(sandbox, "connect", lambda *_: connected(local.url, keys))
        yield real, local


def connected(endpoint: str, environment: Mapping[str, str]) -> sandbox.Connection:
    return sandbox.Connection(
        name="default",
        endpoint=endpoint,
        region="eu-west-1",
        account="0" * 12,
        load_balancer_url="",
        docker_host="",
        build_args={},
        environment=environment,
        records=Path("records"),
        choice=Choice(images={}, reason="", factor=10.0),
    )


def down(*_: object) -> sandbox.Connection:
    raise NotFoundError("The sandbox 'default' is not up.")


def settings(folder: Path, text: str) -> Settings:
    return Settings(stack=lay_stack(folder, text), environment="", output="plain", verbose=False)


def test_each_environments_runs_are_asked_for_with_its_own_settings(
    buckets: tuple[Bucket, Bucket], tmp_path: Path
) -> None:
    real, local = buckets
    before = dict(os.environ)

    for text in (SHARED + LOCAL_AWS, SHARED.replace("  prod:\n", f"{LOCAL_AWS}  prod:\n")):
        assert list(remembered(settings(tmp_path, text)).runs(5)) == []

    assert (real.callers, local.callers) == ({"mine"}, {"sandbox"})
    assert dict(os.environ) == before


def test_a_sandbox_that_is_down_hides_no_runs_of_others(
    buckets: tuple[Bucket, Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, local = buckets
    monkeypatch.setattr(sandbox, "connect", down)

    assert list(remembered(settings(tmp_path, SHARED + LOCAL_AWS)).runs(5)) == []

    assert (real.callers, local.callers) == ({"mine"}, set())


def test_a_sandbox_that_is_down_is_told_where_there_is_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sandbox, "connect", down)
    only = SHARED.partition("environments:\n")[0] + "environments:\n" + LOCAL_AWS

    with pytest.raises(NotFoundError, match="is not up"):
        remembered(settings(tmp_path, only))


def test_no_run_is_meant_by_an_empty_name() -> None:
    journal = FakeJournal()
    at = datetime(2026, 1, 16, tzinfo=UTC)
    began = RunStarted(at=at, plan="p", plan_digest="", stack="lgtm", environment="prod", by="ci", steps={})
    journal.append("7f3a", 1, [began])

    assert find_run(journal, "7") == "7f3a"
    with pytest.raises(UsageError, match="There is no run ''"):
        find_run(journal, "")
