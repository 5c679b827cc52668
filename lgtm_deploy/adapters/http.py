"""What a task, or the stack behind its load balancer, answers to an HTTP request."""

import queue
import re
import socket
import ssl
import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.core.errors import PermanentError, TransientError
from lgtm_deploy.core.ports import Answer

BODY_CHARACTERS = 4096
CONNECT_SECONDS = 2.0
# A run that is told to end has about 8 s for it (CI runners kill 10 s after SIGTERM), and a question is not cut short.
TOTAL_SECONDS = 6.0
TENANT_HEADER = "X-Scope-OrgID"

_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


class HttpAsker:
    """Asks one program at one address, again and again, as a load balancer's check does: on fresh connections."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = _client(trust_env=False)

    def ask(self, path: str, *, send: str = "", tenant: str = "") -> Answer:
        """GET, or POST of the JSON in `send`; redirects are not followed. Raises TransientError: nothing answers."""
        return _ask(self._client, self._url + path, _headers(send, tenant), send)

    def close(self) -> None:
        """Lets go of its connections."""
        self._client.close()


class HttpTaskProbe:
    """Asks a task at its own address. Proxies of the environment are not used: they cannot reach a task."""

    def __init__(self) -> None:
        self._client = _client(trust_env=False)

    def ask(self, address: str, port: int, path: str) -> Answer:
        """GET; redirects are not followed. Raises TransientError when nothing answers."""
        return _ask(self._client, f"http://{_host(address)}:{port}{path}", {}, "")

    def reaches(self, address: str, port: int) -> bool:
        """Whether a connection opens within 2 s. A refusal counts: something is there and says no."""
        try:
            socket.create_connection((address, port), timeout=CONNECT_SECONDS).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True


class HttpStackProbe:
    """Asks the stack through its load balancer, with the configured headers. Its URL is looked up when it is needed."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._client: httpx.Client | None = None

    def ask(self, path: str, *, send: str = "", tenant: str = "", service: str = "") -> Answer:
        """GET, or POST of the JSON in `send`; redirects are not followed. Raises TransientError: nothing answers."""
        url = self._gateway.url + path
        if self._client is None:
            self._client = _client(trust_env=not _is_loopback(url), verify=self._gateway.tls())
        headers = {**self._gateway.headers(url, service), **_headers(send, tenant)}
        try:
            answer = _ask(self._client, url, headers, send, BODY_CHARACTERS + self._gateway.longest_secret)
        except TransientError as error:
            raise TransientError(self._gateway.masked(error.message)) from None
        answer = self._gateway.masked(answer)
        return replace(answer, body=(answer.body or "")[:BODY_CHARACTERS])


def _headers(send: str, tenant: str) -> dict[str, str]:
    headers = {TENANT_HEADER: tenant} if tenant else {}
    return {**headers, "Content-Type": "application/json"} if send else headers


def _client(*, trust_env: bool, verify: ssl.SSLContext | bool = True) -> httpx.Client:
    timeout = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
    # Each question on a connection of its own: one kept alive says nothing of whether a new one would be taken.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(timeout=timeout, follow_redirects=False, trust_env=trust_env, limits=limits, verify=verify)


def _ask(
    client: httpx.Client, url: str, headers: dict[str, str], send: str, characters: int = BODY_CHARACTERS
) -> Answer:
    """An answer in time. httpx bounds each part of a request alone, and the system's look-up of a name not at all."""
    told: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(_asked(client, url, headers, send, characters))
        except Exception as error:
            told.put(error)

    threading.Thread(target=ask, name="question", daemon=True).start()
    try:
        found = told.get(timeout=TOTAL_SECONDS)
    except queue.Empty:
        raise TransientError(f"{url} does not answer: no complete answer within {TOTAL_SECONDS:.0f} s.") from None
    if isinstance(found, Exception):
        raise found
    return found


def _asked(client: httpx.Client, url: str, headers: dict[str, str], send: str, characters: int) -> Answer:
    started = time.monotonic()
    try:
        with client.stream("POST" if send else "GET", url, headers=headers, content=send or None) as response:
            body = _beginning(response, started + TOTAL_SECONDS, characters)
            return Answer(
                status=response.status_code,
                body=body,
                seconds=time.monotonic() - started,
                location=response.headers.get("location", ""),
            )
    except httpx.InvalidURL as error:
        raise PermanentError(f"{url} is not a URL: {error}.") from error
    except httpx.HTTPError as error:
        raise TransientError(f"{url} does not answer: {_reason(error)}.") from error


def _beginning(response: httpx.Response, deadline: float, characters: int) -> str:
    text = ""
    for piece in response.iter_text():
        text += piece
        if len(text) >= characters:
            break
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end", request=response.request)
    return text[:characters]


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, httpx.TimeoutException):
        return f"no complete answer within {TOTAL_SECONDS:.0f} s"
    return _ERRNO.sub("", str(error)).rstrip(".") or type(error).__name__


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"
