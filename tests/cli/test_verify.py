"""`verify` as people type it: refusals in one line, a verdict for every stack, never a traceback."""

import json
import socket
import threading
import xml.etree.ElementTree as Xml
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.cli.command import Said, lgtm_deploy
from tests.cli.outside import ACCOUNT, outside
from tests.config.files import STACK, lay_stack

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def world() -> Iterator[str]:
    with outside() as url:
        yield url


@pytest.fixture
def nobody() -> Iterator[str]:
    with socket.socket() as held:
        # Bound, so that nobody else gets it, and not listening: refused.
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def verify(folder: Path, aws: str, url: str, *words: str, account: str = ACCOUNT, keys: bool = True) -> Said:
    text = STACK.replace(ACCOUNT, account).replace(
        "    cluster: lgtm\n", f"    cluster: lgtm\n    endpoint: {aws}\n    url: {url}\n    tenant: demo\n"
    )
    lay_stack(folder, text)
    known = KEYS if keys else {"AWS_EC2_METADATA_DISABLED": "true"}
    return lgtm_deploy("verify", *words, folder=folder, environment=known)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("nosuch",), "The stack has no service 'nosuch'. It has: tempo."),
        (("--for", "5"), "--for says how long to watch. Say how often, too: --watch SECONDS."),
        (("--watch", "1", "--write"), "--watch only reads."),
        (("--env", "nowhere"), "has no environment 'nowhere'. It has: prod."),
    ],
)
def test_nonsense_is_refused_in_one_line(
    tmp_path: Path, world: str, nobody: str, words: tuple[str, ...], complaint: str
) -> None:
    said = verify(tmp_path, world, nobody, *words)

    assert said.code == 2
    assert said.complaint.startswith("Error: ")
    assert complaint in said.complaint
    assert said.out == ""


@pytest.mark.parametrize(
    "words", [("--watch", "0"), ("--watch", "x"), ("--for", "-1"), ("--format", "pdf"), ("--timeout", "0")]
)
def test_impossible_values_are_usage_errors(tmp_path: Path, world: str, nobody: str, words: tuple[str, ...]) -> None:
    said = verify(tmp_path, world, nobody, *words)

    assert said.code == 2
    assert "Traceback" not in said.err


def test_credentials_of_another_account_are_refused(tmp_path: Path, world: str, nobody: str) -> None:
    said = verify(tmp_path, world, nobody, account="999999999999")

    assert said.code == 2
    assert f"The credentials in use are for account {ACCOUNT}" in said.complaint


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "http://lb:99999", "ftp://lb"])
def test_what_is_no_url_is_refused(tmp_path: Path, world: str, url: str) -> None:
    said = verify(tmp_path, world, f'"{url}"', "--write")

    assert said.code == 2
    assert f"`url` of environment 'prod' cannot be asked: {url}" in said.complaint


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("got", ["refused", "dns"])
def test_a_stack_that_is_not_there_fails_with_its_cause(
    tmp_path: Path, nobody: str, world: str, got: str, keys: bool
) -> None:
    """Whether or not there are credentials: what AWS does not tell is left out."""
    url = {"refused": nobody, "dns": "http://no-such-stack.invalid"}[got]
    said = verify(tmp_path, world, url, "--write", "--output", "json", keys=keys)

    assert said.code == 1, said.err
    assert "Traceback" not in said.err
    told = json.loads(said.out)
    assert told["verdict"] == told["services"]["tempo"] == "failed"
    asked = [each for each in told["findings"] if each["asked"].startswith("GET ")]
    assert {each["got"].partition(":")[0] for each in asked} == {got}
    assert all(each["means"] and each["todo"] for each in asked)


def with_headers(folder: Path, url: str, environment: dict[str, str], *words: str) -> Said:
    """`verify` of a stack behind a gateway that wants a login."""
    headers = "    headers: {Authorization: {env: GATEWAY_AUTH}}\n"
    lay_stack(folder, STACK.replace("    cluster: lgtm\n", f"    cluster: lgtm\n    url: {url}\n{headers}"))
    known = {"AWS_EC2_METADATA_DISABLED": "true", **environment}
    return lgtm_deploy("verify", *words, folder=folder, environment=known)


@contextmanager
def gateway() -> Iterator[tuple[str, list[str]]]:
    """A server that refuses everything, and quotes the login that it was sent."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            login = self.headers.get("Authorization", "")
            asked.append(login)
            body = f"no entry for {login}".encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_header_whose_variable_is_not_set_is_refused(tmp_path: Path, nobody: str) -> None:
    said = with_headers(tmp_path, nobody, {})

    assert said.code == 2
    assert "needs the environment variable GATEWAY_AUTH, which is not set" in said.complaint
    assert said.out == ""


@pytest.mark.parametrize("form", ["table", "json", "junit", "markdown"])
def test_the_login_of_a_gateway_is_sent_and_shown_nowhere(tmp_path: Path, form: str) -> None:
    with gateway() as (url, asked):
        said = with_headers(tmp_path, url, {"GATEWAY_AUTH": "Basic b2YtbjpvYm9keQ=="}, "--format", form)

    assert said.code == 1
    assert set(asked) == {"Basic b2YtbjpvYm9keQ=="}
    assert "b2YtbjpvYm9keQ" not in said.out + said.err
    assert "GATEWAY_AUTH" in said.out


def test_a_report_for_ci_counts_what_failed(tmp_path: Path, world: str, nobody: str) -> None:
    said = verify(tmp_path, world, nobody, "--format", "junit")

    assert said.code == 1
    [suite] = Xml.fromstring(said.out)
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert suite.get("failures") == str(len(failed))
    assert {"echo", "search", "no tenant"} <= set(failed)
    assert "nothing listens there" in (suite.findtext("testcase/failure") or "")


def test_a_stack_that_is_not_there_has_no_availability(tmp_path: Path, world: str, nobody: str) -> None:
    said = verify(tmp_path, world, nobody, "--watch", "0.1", "--for", "0.5")

    assert said.code == 1
    assert "it did not always answer: GET /api/echo: refused: Connection refused" in said.out
