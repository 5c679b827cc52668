"""Requests of every kind, and every way in which nothing comes back."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lgtm_deploy.adapters.http import HttpWeb
from lgtm_deploy.core.ports import HttpFailure, HttpRequest, HttpResponse, HttpResult


def whole_request(connection: socket.socket) -> bytes:
    """Head and body: the client sends them one after the other."""
    got = connection.recv(65536)
    while got[:1].isupper() and b"\r\n\r\n" not in got and (piece := connection.recv(65536)):
        got += piece
    length = re.search(rb"content-length: (\d+)", got.lower())
    while length and len(got.partition(b"\r\n\r\n")[2]) < int(length[1]):
        got += connection.recv(65536)
    return got


@contextmanager
def serving(*answers: bytes, hang: bool = False, drip: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers one connection after the other with these bytes, the last one for ever."""
    asked: list[bytes] = []
    held: list[socket.socket] = []
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket, answer: bytes) -> None:
        for byte in answer if drip else ():
            if ended.wait(0.05):
                break
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                break
        if not drip:
            connection.sendall(answer)

    def serve() -> None:
        left = list(answers)
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append(whole_request(connection))
            answer(connection, left.pop(0) if len(left) > 1 else left[0])
            if hang:
                held.append(connection)
            else:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in held:
            connection.close()


def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def ask(url: str, seconds: float = 5.0, **more: object) -> HttpResult:
    return HttpWeb().ask(HttpRequest(url=url, seconds=seconds, **more))  # type: ignore[arg-type]


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


OK = b"HTTP/1.1 200 OK\r\nDate: Fri, 16 Jan 2026 00:15:04 GMT\r\nContent-Length: 5\r\n\r\nready"


def test_an_answer_has_its_status_headers_and_body() -> None:
    with serving(OK) as (url, asked):
        heard = ask(f"{url}/x", method="POST", headers={"X-Scope-OrgID": "demo"}, body=b"abc")

    assert isinstance(heard, HttpResponse)
    assert (heard.status, heard.body, heard.headers["date"]) == (200, "ready", "Fri, 16 Jan 2026 00:15:04 GMT")
    assert heard.whole
    assert heard.seconds > 0
    assert asked[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert b"x-scope-orgid: demo" in asked[0].lower()
    assert asked[0].endswith(b"abc")


def test_redirects_on_the_same_host_are_followed() -> None:
    with serving(redirect("/login"), OK) as (url, asked):
        heard = ask(f"{url}/loki")

    assert isinstance(heard, HttpResponse)
    assert (heard.status, heard.url, heard.redirected) == (200, f"{url}/login", True)
    assert len(asked) == 2


def test_an_answer_without_a_redirect_says_so() -> None:
    with serving(OK) as (url, _):
        heard = ask(f"{url}/login")

    assert isinstance(heard, HttpResponse)
    assert not heard.redirected


@pytest.mark.parametrize("location", ["http://example.invalid/", "https://10.9.8.7/x"])
def test_a_tenants_header_goes_to_no_other_host(location: str) -> None:
    with serving(redirect(location)) as (url, _):
        heard = ask(url)

    assert isinstance(heard, HttpResponse)
    assert (heard.status, heard.headers["location"]) == (302, location)


def test_what_was_posted_is_not_sent_elsewhere() -> None:
    with serving(redirect("/there")) as (url, asked):
        heard = ask(url, method="POST", body=b"x")

    assert isinstance(heard, HttpResponse)
    assert (heard.status, len(asked)) == (302, 1)


def test_a_redirect_loop_ends() -> None:
    with serving(redirect("/a"), redirect("/b"), redirect("/a")) as (url, _):
        heard = ask(url)

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == "redirect-loop"


def test_a_chain_of_redirects_ends() -> None:
    chain = [redirect(f"/{number}") for number in range(9)]
    with serving(*chain) as (url, asked):
        heard = ask(url)

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == "redirect-loop"
    assert len(asked) < 8


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (b"", "closed"),
        (b"nonsense\r\n\r\n", "not-http"),
        (b"HTTP/1.1 200 OK\r\nCont", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "truncated"),
    ],
)
def test_half_an_answer_is_none(answer: bytes, trouble: str) -> None:
    with serving(answer) as (url, _):
        heard = ask(url)

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == trouble


def test_nobody_there() -> None:
    heard = ask(closed_url())

    assert heard == HttpFailure(trouble="refused", detail="Connection refused", seconds=heard.seconds)


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    # Here, and not at a proxy.
    monkeypatch.setenv("no_proxy", "*")
    heard = ask("http://no-such-host.invalid/")

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == "dns"


def test_no_tls_where_tls_was_expected() -> None:
    with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        heard = ask(url.replace("http:", "https:"))

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == "tls"


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://x/", "http://[::1", "http://", "http://127.0.0.1:99999/"])
def test_what_is_no_url_is_said_to_be_none(url: str) -> None:
    heard = ask(url)

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == "bad-url"


@pytest.mark.parametrize("drip", [False, True])
def test_an_answer_that_does_not_end_is_given_up_in_time(drip: bool) -> None:
    with serving(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 400, hang=True, drip=drip) as (url, _):
        heard = ask(url, seconds=0.5)

    assert isinstance(heard, HttpFailure)
    assert heard.trouble == "timeout"


def test_only_the_beginning_of_a_huge_body_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.http.BODY_BYTES", 1000)
    with serving(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000) as (url, _):
        heard = ask(url)

    assert isinstance(heard, HttpResponse)
    assert (len(heard.body), heard.whole) == (1000, False)
