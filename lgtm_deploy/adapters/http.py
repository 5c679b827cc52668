"""What a task, or the stack behind its load balancer, answers to an HTTP request."""

import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.core.errors import PermanentError, TimedOutError, TransientError
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

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "") -> Answer:
        """Ask with `send` as the JSON body, where there is one; redirects are not followed. Threads may share it.

        Raises TransientError when nothing answers, TimedOutError when no complete answer comes in time.
        """
        return _ask(self._client, method, self._url + path, headers=_as_tenant(tenant), send=send)

    def close(self) -> None:
        """Lets go of its connections."""
        self._client.close()


class HttpTaskProbe:
    """Asks a task at its own address. Proxies of the environment are not used: they cannot reach a task."""

    def __init__(self) -> None:
        self._client = _client(trust_env=False)

    def ask(self, address: str, port: int, path: str) -> Answer:
        """GET; redirects are not followed. Raises TransientError when nothing answers."""
        return _ask(self._client, "GET", f"http://{_host(address)}:{port}{path}")

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

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "", service: str = "") -> Answer:
        """Ask with `send` as the JSON body, where there is one; redirects are not followed.

        Raises TransientError when nothing answers, TimedOutError when no complete answer comes in time.
        """
        url = self._gateway.url + path
        if self._client is None:
            self._client = _client(trust_env=not _is_loopback(url), verify=self._gateway.tls())
        headers = {**self._gateway.headers(url, service), **_as_tenant(tenant)}
        characters = BODY_CHARACTERS + self._gateway.longest_secret
        answer = self._gateway.masked(
            _ask(self._client, method, url, headers=headers, send=send, characters=characters)
        )
        return replace(answer, body=(answer.body or "")[:BODY_CHARACTERS])


def _as_tenant(tenant: str) -> Mapping[str, str]:
    return {TENANT_HEADER: tenant} if tenant else {}


def _client(*, trust_env: bool, verify: ssl.SSLContext | bool = True) -> httpx.Client:
    timeout = httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)
    # Each question on a connection of its own: one kept alive says nothing of whether a new one would be taken.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(timeout=timeout, follow_redirects=False, trust_env=trust_env, limits=limits, verify=verify)


def _ask(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    send: str = "",
    characters: int = BODY_CHARACTERS,
) -> Answer:
    """An answer in time. httpx bounds each part of a request alone, and the system's look-up of a name not at all."""
    told: queue.SimpleQueue[Answer | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(_asked(client, method, url, headers=headers or {}, send=send, characters=characters))
        except Exception as error:
            told.put(error)

    threading.Thread(target=ask, name="question", daemon=True).start()
    try:
        found = told.get(timeout=TOTAL_SECONDS)
    except queue.Empty:
        raise _late(url) from None
    if isinstance(found, Exception):
        raise found
    return found


def _late(url: str) -> TimedOutError:
    return TimedOutError(
        f"{url} does not answer: no complete answer within {TOTAL_SECONDS:.0f} s.", seconds=TOTAL_SECONDS
    )


def _asked(
    client: httpx.Client, method: str, url: str, *, headers: Mapping[str, str], send: str, characters: int
) -> Answer:
    started = time.monotonic()
    typed = {"Content-Type": "application/json"} if send else {}
    try:
        with client.stream(method, url, headers={**headers, **typed}, content=send or None) as response:
            body = _beginning(response, started + TOTAL_SECONDS, characters)
            return Answer(
                status=response.status_code,
                body=body,
                seconds=time.monotonic() - started,
                location=response.headers.get("location", ""),
            )
    except httpx.InvalidURL as error:
        raise PermanentError(f"{url} is not a URL: {error}.") from error
    except (httpx.ReadTimeout, httpx.WriteTimeout) as error:
        raise _late(url) from error
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
    return _ERRNO.sub("", str(error)).rstrip(".") or type(error).__name__


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.endswith(".localhost") or host.startswith("127.") or host == "::1"
