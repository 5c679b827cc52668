"""Any HTTP request, bounded in time, with the cause when nothing comes back."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from lgtm_deploy import __version__
from lgtm_deploy.adapters.gateway import Gateway
from lgtm_deploy.core.ports import NoReply, Question, Reply
from lgtm_deploy.core.ports.web import Trouble, url_fault

BODY_BYTES = 4 * 1024 * 1024
REDIRECTS = 5
CONNECT_SECONDS = 3.0
_MOVED = (301, 302, 303, 307, 308)


class HttpWeb:
    """Asks on fresh connections. Proxies of the environment are used for names, not for bare or loopback addresses.

    `gateway` adds the configured headers to requests to the stack, which a header of the question's own replaces.
    """

    def __init__(self, gateway: Gateway | None = None) -> None:
        self._gateway = gateway or Gateway()
        self._lock = threading.Lock()
        self._clients: dict[bool, httpx.Client] = {}

    def ask(self, question: Question) -> Reply | NoReply:
        """Follows redirects of a GET on the same host, also from http to https. Never raises for what the other side
        does."""
        return self._gateway.masked(self._answer(question))

    def _answer(self, question: Question) -> Reply | NoReply:
        if fault := url_fault(question.url):
            return NoReply(trouble="bad-url", detail=fault)
        # Making a client takes a while, which is not the other side's.
        self._client(question.url)
        began = time.monotonic()
        deadline = began + question.seconds
        seen = [question.url]
        while True:
            heard = self._once(replace(question, url=seen[-1]), deadline)
            heard = replace(heard, seconds=time.monotonic() - began)
            onwards = _onwards(question, heard)
            if not onwards:
                return _told(question, heard)
            if onwards in seen or len(seen) > REDIRECTS:
                detail = f"{urlsplit(seen[-1]).path} leads to {urlsplit(onwards).path} again"
                return NoReply(trouble="redirect-loop", detail=detail, seconds=heard.seconds)
            seen.append(onwards)

    def _once(self, question: Question, deadline: float) -> Reply | NoReply:
        begun = [False]
        guard = _Guard(deadline)
        try:
            with guard.watching() as trace:
                return self._read(question, trace, begun)
        except httpx.InvalidURL as error:
            return NoReply(trouble="bad-url", detail=str(error))
        except (httpx.HTTPError, OSError, ValueError) as error:
            cause = _cause(error, begun=begun[0])
            # Looking a name up cannot be cut short.
            late = guard.late and cause.trouble != "dns"
            return NoReply(trouble="timeout", detail="too slow") if late else cause

    def _read(self, question: Question, trace: Callable[..., None], begun: list[bool]) -> Reply:
        left = max(question.seconds, 0.1)
        request = self._client(question.url).build_request(
            question.method,
            question.url,
            headers=self._all_headers(question),
            content=question.body or None,
            timeout=httpx.Timeout(left, connect=min(left, CONNECT_SECONDS)),
            extensions={"trace": trace},
        )
        response = self._client(question.url).send(request, stream=True)
        try:
            begun[0] = True
            body = _beginning(response)
        finally:
            response.close()
        return Reply(
            status=response.status_code,
            body=body[:BODY_BYTES].decode(response.encoding or "utf-8", errors="replace"),
            headers={name.lower(): value for name, value in response.headers.items()},
            url=question.url,
            whole=len(body) <= BODY_BYTES,
        )

    def _all_headers(self, question: Question) -> httpx.Headers:
        headers = httpx.Headers(dict(self._gateway.headers(question.url, question.service)))
        headers.update(dict(question.headers))
        return headers

    def _client(self, url: str) -> httpx.Client:
        proxied = not _is_bare(urlsplit(url).hostname or "")
        with self._lock:
            if proxied not in self._clients:
                self._clients[proxied] = httpx.Client(
                    trust_env=proxied,
                    verify=self._gateway.tls(),
                    follow_redirects=False,
                    limits=httpx.Limits(max_keepalive_connections=0),
                    headers={"User-Agent": f"lgtm-deploy/{__version__}"},
                )
            return self._clients[proxied]


class _Guard:
    """Cuts a connection at a deadline: a timeout of each read alone does not end an answer that only trickles in."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.late = False

    @contextmanager
    def watching(self) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
        timer = threading.Timer(max(self._deadline - time.monotonic(), 0.0), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield self._trace
        finally:
            timer.cancel()

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            found = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.append(found)
            if self.late:
                self._cut()

    def _cut(self) -> None:
        self.late = True
        with self._lock:
            for each in self._sockets:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def _beginning(response: httpx.Response) -> bytes:
    pieces: list[bytes] = []
    size = 0
    for piece in response.iter_bytes():
        pieces.append(piece)
        size += len(piece)
        if size > BODY_BYTES:
            break
    return b"".join(pieces)


def _told(question: Question, heard: Reply | NoReply) -> Reply | NoReply:
    if isinstance(heard, NoReply):
        return heard
    return replace(heard, redirected=urlsplit(heard.url).path != urlsplit(question.url).path)


def _onwards(question: Question, heard: Reply | NoReply) -> str:
    """Where a GET is to be asked next; a tenant's header or a login goes to no other host, and to no less safe one."""
    if isinstance(heard, NoReply) or heard.status not in _MOVED or question.method not in ("GET", "HEAD"):
        return ""
    target = urljoin(heard.url, heard.headers.get("location", ""))
    here, there = urlsplit(heard.url), urlsplit(target)
    less_safe = here.scheme == "https" and there.scheme != "https"
    if there.hostname != here.hostname or less_safe or "location" not in heard.headers:
        return ""
    return target.partition("#")[0]


def _cause(error: BaseException, *, begun: bool) -> NoReply:
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
    elif among(httpx.ConnectTimeout) or (among(httpx.ConnectError) and not begun):
        trouble = "unreachable"
    elif among(httpx.TimeoutException, TimeoutError):
        trouble = "timeout"
    elif begun:
        trouble = "truncated"
    elif "disconnected without" in detail or among(ConnectionError, httpx.ReadError, httpx.WriteError):
        trouble = "closed"
    else:
        trouble = "not-http"
    return NoReply(trouble=trouble, detail=_plain(detail))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _plain(detail: str) -> str:
    return detail.partition("] ")[2] or detail if detail.startswith("[Errno") else detail


def _is_bare(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return bool(ip_address(host))
    except ValueError:
        return False
