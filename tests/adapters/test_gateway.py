"""Configured request headers and trusted certificates."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import truststore

from lgtm_deploy.adapters.gateway import Gateway, tls
from lgtm_deploy.adapters.http import BODY_CHARACTERS, HttpStackProbe, HttpWeb
from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.ports import HttpFailure, HttpRequest, HttpResponse
from lgtm_deploy.core.request_headers import RequestHeaders
from tests.adapters.certificates import authority_file, server_context
from tests.adapters.test_web import redirect, serving, whole_request

SECRET = "Basic dXNlcjpwYXNzd29yZA=="
HEADERS = RequestHeaders(
    services={"loki": {"Authorization": SECRET, "X-Team": "platform"}},
    secrets={"GATEWAY_AUTH": SECRET, "GATEWAY_AUTH, credentials": SECRET.partition(" ")[2]},
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def told(body: bytes, status: str = "401 Unauthorized") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def web(url: str) -> HttpWeb:
    return HttpWeb(Gateway(lambda: url, HEADERS))


@contextmanager
def serving_tls(context: ssl.SSLContext) -> Iterator[str]:
    """A server that answers each request over TLS with `ok`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                whole_request(secured)
                secured.sendall(OK)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_the_stack_is_asked_with_the_headers_of_the_service() -> None:
    with serving(OK) as (url, asked):
        web(url).ask(HttpRequest(url=f"{url}/loki/api/v1/labels", service="loki"))
        web(url).ask(HttpRequest(url=f"{url}/api/v1/push", service="mimir"))

    assert f"authorization: {SECRET}".encode() in asked[0].lower().replace(SECRET.lower().encode(), SECRET.encode())
    assert b"x-team: platform" in asked[0].lower()
    assert b"authorization" not in asked[1].lower()


def test_a_header_of_the_request_itself_replaces_the_configured_one() -> None:
    with serving(OK) as (url, asked):
        web(url).ask(HttpRequest(url=url, service="loki", headers={"authorization": "Bearer grafana"}))

    assert asked[0].lower().count(b"authorization:") == 1
    assert b"Bearer grafana" in asked[0]


def test_another_address_gets_no_configured_header() -> None:
    with serving(OK) as (url, _), serving(OK) as (other, asked):
        web(url).ask(HttpRequest(url=f"{other}/v1/traces", service="loki"))

    assert b"authorization" not in asked[0].lower()


def test_a_redirect_to_another_address_gets_no_configured_header() -> None:
    with serving(OK) as (other, asked), serving(redirect(f"{other}/there")) as (url, first):
        heard = web(url).ask(HttpRequest(url=url, service="loki"))

    assert b"authorization" in first[0].lower()
    assert isinstance(heard, HttpResponse)
    assert all(b"authorization" not in each.lower() for each in asked)


@pytest.mark.parametrize("quoted", [SECRET, SECRET.partition(" ")[2], json.dumps({"got": SECRET})])
def test_an_answer_that_quotes_a_secret_header_is_masked(quoted: str) -> None:
    with serving(told(f"no entry: {quoted}".encode())) as (url, _):
        heard = web(url).ask(HttpRequest(url=url, service="loki"))
        answer = HttpStackProbe(Gateway(lambda: url, HEADERS)).ask("/x", service="loki")

    assert isinstance(heard, HttpResponse)
    for body in (heard.body, answer.body or ""):
        assert "dXNlc" not in body
        assert "GATEWAY_AUTH" in body


def test_a_secret_at_the_end_of_what_is_read_is_masked_whole() -> None:
    body = b"x" * (BODY_CHARACTERS - 12) + SECRET.encode() + b"y" * 100
    with serving(told(body)) as (url, _):
        answer = HttpStackProbe(Gateway(lambda: url, HEADERS)).ask("/x", service="loki")

    assert "Basic dXN" not in (answer.body or "")
    assert len(answer.body or "") <= BODY_CHARACTERS


def test_a_location_that_holds_a_secret_is_masked() -> None:
    with serving(redirect(f"http://idp.invalid/?from={SECRET.partition(' ')[2]}")) as (url, _):
        heard = web(url).ask(HttpRequest(url=url, service="loki"))
        answer = HttpStackProbe(Gateway(lambda: url, HEADERS)).ask("/x", service="loki")

    assert isinstance(heard, HttpResponse)
    assert "dXNlc" not in heard.headers["location"] + answer.location


def test_the_stack_probe_posts_what_a_probe_sends_as_the_tenant_and_with_the_headers() -> None:
    with serving(OK) as (url, asked):
        answer = HttpStackProbe(Gateway(lambda: url, HEADERS)).ask(
            "/q", method="POST", send="{}", tenant="demo", service="loki"
        )

    assert answer.body == "ok"
    assert asked[0].startswith(b"POST /q HTTP/1.1\r\n")
    assert asked[0].endswith(b"\r\n\r\n{}")
    for header in (b"x-scope-orgid: demo", b"x-team: platform", b"content-type: application/json"):
        assert header in asked[0].lower()


def test_an_unknown_authority_is_refused_and_one_of_the_bundle_is_trusted(tmp_path: Path) -> None:
    bundle = authority_file(tmp_path)
    with serving_tls(server_context(tmp_path)) as url:
        refused = HttpWeb(Gateway(lambda: url)).ask(HttpRequest(url=url))
        trusted = HttpWeb(Gateway(lambda: url, ca_bundle=bundle)).ask(HttpRequest(url=url))
        answer = HttpStackProbe(Gateway(lambda: url, ca_bundle=bundle)).ask("/")
        with pytest.raises(TransientError, match="certificate verify failed"):
            HttpStackProbe(Gateway(lambda: url)).ask("/")

    assert isinstance(refused, HttpFailure)
    assert refused.trouble == "tls"
    assert "certificate verify failed" in refused.detail
    assert isinstance(trusted, HttpResponse)
    assert (trusted.body, answer.body) == ("ok", "ok")


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    bundle = authority_file(tmp_path)
    with serving_tls(server_context(tmp_path)) as url:
        other = url.replace("127.0.0.1", "127.0.0.2")
        found = HttpWeb(Gateway(lambda: url, ca_bundle=bundle)).ask(HttpRequest(url=other))
        heard = HttpWeb(Gateway(lambda: url, ca_bundle=bundle)).ask(
            HttpRequest(url=url.replace("127.0.0.1", "localhost"))
        )

    # The server listens on 127.0.0.1 only.
    assert isinstance(found, HttpFailure)
    assert isinstance(heard, HttpResponse)


def test_the_systems_own_authorities_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # OpenSSL's variable for the system's file of certificates.
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file(tmp_path)))
    with serving_tls(server_context(tmp_path)) as url:
        heard = HttpWeb().ask(HttpRequest(url=url))

    assert isinstance(heard, HttpResponse)


def test_without_configured_headers_the_stacks_url_is_not_looked_up() -> None:
    def fail() -> str:
        raise AssertionError("it was looked up")

    with serving(OK) as (url, _):
        heard = HttpWeb(Gateway(fail)).ask(replace(HttpRequest(url=url), service="loki"))

    assert isinstance(heard, HttpResponse)


def test_where_openssl_finds_no_certificates_truststore_looks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = ssl.get_default_verify_paths()._replace(cafile=None, capath=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)

    assert isinstance(tls(), truststore.SSLContext)


def test_a_bundle_is_trusted_by_truststore_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.gateway.sys.platform", "darwin")
    bundle = authority_file(tmp_path)
    with serving_tls(server_context(tmp_path)) as url:
        heard = HttpWeb(Gateway(lambda: url, ca_bundle=bundle)).ask(HttpRequest(url=url))

    assert isinstance(heard, HttpResponse)
