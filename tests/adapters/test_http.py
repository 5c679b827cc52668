"""Requests to tasks and to the stack."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from lgtm_deploy.adapters import http
from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.adapters.http import HttpAsker, HttpStackProbe, HttpTaskProbe
from lgtm_deploy.core.errors import TimedOutError, TransientError


@contextmanager
def serving(answer: bytes, *, hang: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers every request with these bytes, and keeps the connection open when it is to hang."""
    asked: list[bytes] = []
    held: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append(connection.recv(65536))
            connection.sendall(answer)
            if hang:
                held.append(connection)
            else:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in held:
            connection.close()


@contextmanager
def slowly(head: bytes, drop: bytes, *, every: float) -> Iterator[int]:
    """A server that answers one request with the head, and then with a drop ever so often."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(head)
                while not over.wait(every):
                    connection.sendall(drop)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_task_is_asked_directly_whatever_proxies_there_are() -> None:
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready") as (port, _):
        answer = HttpTaskProbe().ask("127.0.0.1", port, "/tempo/ready")

    assert (answer.status, answer.body) == (200, "ready")
    assert answer.seconds > 0


def test_redirects_are_told_and_not_followed() -> None:
    with serving(b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n") as (port, asked):
        answer = HttpTaskProbe().ask("127.0.0.1", port, "/")

    assert (answer.status, answer.location, len(asked)) == (302, "/login", 1)


def test_only_the_beginning_of_a_long_body_is_read() -> None:
    with serving(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 20000) as (port, _):
        assert HttpTaskProbe().ask("127.0.0.1", port, "/").body == "x" * 4096


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"", "does not answer"), (b"nonsense\r\n\r\n", "does not answer"), (b"HTTP/1.1 200 OK\r\nCont", "not answer")],
)
def test_half_an_answer_is_transient(answer: bytes, words: str) -> None:
    with serving(answer) as (port, _), pytest.raises(TransientError, match=words):
        HttpTaskProbe().ask("127.0.0.1", port, "/")


def test_an_answer_that_does_not_come_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", http.CONNECT_SECONDS + 0.2)
    with serving(b"HTTP/1.1 200 OK\r\n", hang=True) as (port, _), pytest.raises(TransientError, match="no complete"):
        HttpTaskProbe().ask("127.0.0.1", port, "/")


def test_a_request_that_hangs_is_told_apart_and_says_for_how_long_it_was_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.2)
    with serving(b"", hang=True) as (port, _), pytest.raises(TimedOutError) as late:
        HttpAsker(f"http://127.0.0.1:{port}").ask("/querier.v1.QuerierService/LabelNames", method="POST", send="{}")

    assert late.value.seconds == 0.2


def test_a_path_that_takes_post_is_asked_by_post_with_or_without_a_body() -> None:
    with serving(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as (port, asked):
        asker = HttpAsker(f"http://127.0.0.1:{port}")
        asker.ask("/ingest", method="POST")
        asker.ask("/query", method="POST", send="{}")

    assert [each.partition(b" HTTP")[0] for each in asked] == [b"POST /ingest", b"POST /query"]
    assert [b"content-type: application/json" in each.lower() for each in asked] == [False, True]


def test_an_answer_that_comes_in_drops_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.5)
    with (
        slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b"x", every=0.2) as port,
        pytest.raises(TransientError, match="no complete answer"),
    ):
        HttpTaskProbe().ask("127.0.0.1", port, "/")


def test_a_name_whose_look_up_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.2)
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(20)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(TransientError, match="no complete answer"):
            HttpTaskProbe().ask("tempo.internal", 3200, "/")
    finally:
        over.set()


def test_a_question_leaves_time_for_the_rest_of_a_run_that_is_told_to_end() -> None:
    assert http.TOTAL_SECONDS < 8


def test_nobody_there_is_transient_and_reachable_all_the_same() -> None:
    port = closed_port()

    with pytest.raises(TransientError, match="Connection refused"):
        HttpTaskProbe().ask("127.0.0.1", port, "/")
    assert HttpTaskProbe().reaches("127.0.0.1", port)


def test_the_stack_is_asked_with_the_tenants_header_and_its_url_is_found_once() -> None:
    found: list[str] = []
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\necho") as (port, asked):

        def url() -> str:
            found.append("once")
            return f"http://127.0.0.1:{port}/"

        probe = HttpStackProbe(Gateway(url))
        assert not found
        bodies = [probe.ask("/tempo/api/echo", tenant="team-a").body for _ in range(2)]

    assert bodies == ["echo", "echo"]
    assert found == ["once"]
    assert asked[0].startswith(b"GET /tempo/api/echo HTTP/1.1\r\n")
    assert b"x-scope-orgid: team-a" in asked[0].lower()


def test_a_name_that_does_not_resolve_is_transient() -> None:
    with pytest.raises(TransientError, match="does not answer"):
        HttpTaskProbe().ask("no-such-host.invalid", 80, "/")
