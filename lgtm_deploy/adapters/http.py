"""The HTTP client of this tool, and who uses it: verification, the stack probe, the task probe and smoke tests."""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import httpx

from lgtm_deploy import __version__
from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.core.errors import PermanentError, TimedOutError, TransientError
from lgtm_deploy.core.ports import Answer, HttpFailure, HttpRequest, HttpResponse, HttpResult, Progress
from lgtm_deploy.core.ports.web import Trouble, url_fault

BODY_BYTES = 4 * 1024 * 1024
BODY_CHARACTERS = 4096
REDIRECTS = 5
CONNECT_SECONDS = 2.0
# A run that is told to end has about 8 s for it (CI runners kill 10 s after SIGTERM), and a question is not cut short.
TOTAL_SECONDS = 6.0
TENANT_HEADER = "X-Scope-OrgID"
_MOVED = (301, 302, 303, 307, 308)
_POLL_SECONDS = 0.1


class HttpClient:
    """Sends single requests, as a load balancer's check does: each on a new connection. Threads may share it.

    Proxies of the environment are used for names, unless `proxies` is false; never for addresses or this machine.
    `gateway` adds the configured headers to requests to the stack, which a header of the request's own replaces.
    """

    def __init__(self, gateway: Gateway | None = None, *, proxies: bool = True) -> None:
        self._gateway = gateway or Gateway()
        self._proxies = proxies
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}

    def send(
        self, request: HttpRequest, *, connect: float = 3.0, limit: int | None = None, progress: Progress | None = None
    ) -> HttpResult:
        """Return the response without following redirects, with at most `limit` bytes of its body, or the failure.

        It takes at most the request's seconds: httpx bounds each part of an exchange alone, and the look-up of a name
        not at all. A thread that is late is left behind. `connect` is in seconds; what `progress` raises ends the wait.
        """
        if fault := url_fault(request.url):
            return HttpFailure(trouble="bad-url", detail=fault)
        # Making a client takes a while, which is not the other side's.
        client = self._client(request.url)
        results: queue.SimpleQueue[HttpResult] = queue.SimpleQueue()
        began = time.monotonic()

        def exchange() -> None:
            results.put(self._exchange(client, request, connect, BODY_BYTES if limit is None else limit))

        threading.Thread(target=exchange, name="http-request", daemon=True).start()
        found: HttpResult = HttpFailure(trouble="timeout", detail="too slow")
        while (left := began + request.seconds - time.monotonic()) > 0:
            try:
                found = results.get(timeout=min(left, _POLL_SECONDS) if progress else left)
                break
            except queue.Empty:
                if progress:
                    progress("")
        return self._gateway.masked(replace(found, seconds=time.monotonic() - began))

    def _exchange(self, client: httpx.Client, request: HttpRequest, connect: float, limit: int) -> HttpResult:
        begun = False
        deadline = time.monotonic() + request.seconds
        timeout = httpx.Timeout(request.seconds, connect=min(request.seconds, connect))
        try:
            headers = httpx.Headers(dict(self._gateway.headers(request.url, request.service)))
            headers.update(dict(request.headers))
            body = request.body or None
            with client.stream(request.method, request.url, headers=headers, content=body, timeout=timeout) as response:
                begun = True
                content = _beginning(response, deadline, limit)
                return HttpResponse(
                    status=response.status_code,
                    body=content[:limit].decode(response.encoding or "utf-8", errors="replace"),
                    headers={name.lower(): value for name, value in response.headers.items()},
                    url=request.url,
                    whole=len(content) <= limit,
                )
        except httpx.InvalidURL as error:
            return HttpFailure(trouble="bad-url", detail=str(error))
        except httpx.ConnectTimeout:
            return HttpFailure(trouble="unreachable", detail=f"no connection within {timeout.connect:.0f} s")
        except Exception as error:  # the thread has nobody who would see it
            return _failure(error, begun=begun)

    def _client(self, url: str) -> httpx.Client:
        proxied = self._proxies and not _is_bare(urlsplit(url).hostname or "")
        with self._lock:
            if proxied not in self._clients:
                self._clients[proxied] = httpx.Client(
                    trust_env=proxied,
                    verify=self._gateway.tls(),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
                    headers={"User-Agent": f"lgtm-deploy/{__version__}"},
                )
            return self._clients[proxied]


class HttpWeb:
    """Sends the requests of a verification."""

    def __init__(self, gateway: Gateway | None = None) -> None:
        self._client = HttpClient(gateway)

    def ask(self, question: HttpRequest) -> HttpResult:
        """Follows redirects of a GET on the same host, also from http to https. Never raises for what the other side
        does."""
        began = time.monotonic()
        visited = [question.url]
        while True:
            left = max(question.seconds - (time.monotonic() - began if len(visited) > 1 else 0.0), 0.1)
            found = self._client.send(replace(question, url=visited[-1], seconds=left))
            if len(visited) > 1:
                found = replace(found, seconds=time.monotonic() - began)
            target = _redirect(question, found)
            if not target:
                if isinstance(found, HttpFailure):
                    return found
                return replace(found, redirected=urlsplit(found.url).path != urlsplit(question.url).path)
            if target in visited or len(visited) > REDIRECTS:
                detail = f"{urlsplit(visited[-1]).path} leads to {urlsplit(target).path} again"
                return HttpFailure(trouble="redirect-loop", detail=detail, seconds=found.seconds)
            visited.append(target)


class HttpAsker:
    """Asks one program at one address. Proxies of the environment are not used: they cannot reach a container."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = HttpClient(proxies=False)

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "") -> Answer:
        """Ask with `send` as the JSON body, where there is one; redirects are not followed.

        Raises TransientError when nothing answers, TimedOutError when no complete answer comes in time.
        """
        return _answer(self._client, self._url + path, method=method, send=send, tenant=tenant)


class HttpTaskProbe:
    """Asks a task at its own address, without proxies."""

    def __init__(self) -> None:
        self._client = HttpClient(proxies=False)

    def ask(self, address: str, port: int, path: str) -> Answer:
        """GET; redirects are not followed. Raises TransientError when nothing answers."""
        host = f"[{address}]" if ":" in address else address
        return _answer(self._client, f"http://{host}:{port}{path}")

    def reaches(self, address: str, port: int) -> bool:
        """Whether a connection opens within 2 s. A refusal counts: something is there and says no."""
        return connects(address, port, CONNECT_SECONDS, refused=True)


class HttpStackProbe:
    """Asks the stack through its load balancer, with the configured headers. Its URL is looked up when it is needed."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._client = HttpClient(gateway)

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "", service: str = "") -> Answer:
        """Ask with `send` as the JSON body, where there is one; redirects are not followed.

        Raises TransientError when nothing answers, TimedOutError when no complete answer comes in time.
        """
        url = self._gateway.url + path
        return _answer(self._client, url, method=method, send=send, tenant=tenant, service=service)


def connects(address: str, port: int, seconds: float, *, refused: bool = False) -> bool:
    """Return whether a TCP connection opens in time; `refused` is the answer where it is refused."""
    try:
        socket.create_connection((address, port), timeout=seconds).close()
    except ConnectionRefusedError:
        return refused
    except OSError:
        return False
    return True


def _answer(
    client: HttpClient, url: str, *, method: str = "GET", send: str = "", tenant: str = "", service: str = ""
) -> Answer:
    headers = {"Content-Type": "application/json"} if send else {}
    if tenant:
        headers[TENANT_HEADER] = tenant
    request = HttpRequest(
        url=url, method=method, headers=headers, body=send.encode(), seconds=TOTAL_SECONDS, service=service
    )
    # More bytes than are kept: a secret at their end is masked whole.
    found = client.send(request, connect=CONNECT_SECONDS, limit=8 * BODY_CHARACTERS)
    if isinstance(found, HttpResponse):
        location = found.headers.get("location", "")
        body = found.body[:BODY_CHARACTERS]
        return Answer(status=found.status, body=body, seconds=found.seconds, location=location)
    if found.trouble == "bad-url":
        raise PermanentError(f"{url} is not a URL: {found.detail}.")
    if found.trouble == "timeout":
        late = f"{url} does not answer: no complete answer within {TOTAL_SECONDS:.0f} s."
        raise TimedOutError(late, seconds=TOTAL_SECONDS)
    raise TransientError(f"{url} does not answer: {found.detail.rstrip('.')}.")


def _beginning(response: httpx.Response, deadline: float, limit: int) -> bytes:
    content = b""
    if not limit:
        return content
    for piece in response.iter_bytes():
        content += piece
        if len(content) > limit:
            break
        if time.monotonic() > deadline:
            raise httpx.ReadTimeout("the answer did not end", request=response.request)
    return content


def _redirect(question: HttpRequest, found: HttpResult) -> str:
    """Where a GET is to be asked next; a tenant's header or a login goes to no other host, and to no less safe one."""
    if isinstance(found, HttpFailure) or found.status not in _MOVED or question.method not in ("GET", "HEAD"):
        return ""
    target = urljoin(found.url, found.headers.get("location", ""))
    here, there = urlsplit(found.url), urlsplit(target)
    less_safe = here.scheme == "https" and there.scheme != "https"
    if there.hostname != here.hostname or less_safe or "location" not in found.headers:
        return ""
    return target.partition("#")[0]


def _failure(error: BaseException, *, begun: bool) -> HttpFailure:
    chain = list(_chain(error))
    detail = str(error).strip() or type(error).__name__

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in chain)

    trouble: Trouble
    if among(socket.gaierror):
        trouble = "dns"
    elif among(ssl.SSLError):
        trouble = "truncated" if begun else "tls"
    elif among(ConnectionRefusedError):
        trouble = "refused"
    elif among(httpx.ConnectError) and not begun:
        trouble = "unreachable"
    elif among(httpx.TimeoutException, TimeoutError):
        trouble = "timeout"
    elif begun:
        trouble = "truncated"
    elif "disconnected without" in detail or among(ConnectionError, httpx.ReadError, httpx.WriteError):
        trouble = "closed"
    else:
        trouble = "not-http"
    return HttpFailure(trouble=trouble, detail=detail.partition("] ")[2] or detail if "[Errno" in detail else detail)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_bare(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return bool(ip_address(host))
    except ValueError:
        return False
