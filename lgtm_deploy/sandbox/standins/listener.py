"""How does a stand-in listen? A small threaded HTTP/1.1 server over a table of routes."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

IDLE_SECONDS = 75.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, read wholly."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    name: str = ""

    def argument(self, key: str, default: str = "") -> str:
        """The first value of a query argument, or of a form field (the query APIs take both)."""
        return self.arguments(key)[0] if self.arguments(key) else default

    def arguments(self, key: str) -> list[str]:
        """All values of a query argument or form field, in order."""
        values = list(self.query.get(key, []))
        if self.header("content-type").startswith("application/x-www-form-urlencoded"):
            values += parse_qs(self.body.decode(errors="replace")).get(key, [])
        return values

    def header(self, key: str) -> str:
        """A header by its lower-case name, or an empty string."""
        return self.headers.get(key, "")

    def content(self) -> bytes:
        """The body, unzipped where it says that it is zipped. Raises ValueError where it is not."""
        if self.header("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"gzip: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response]

# The body of Go's http.NotFound, and so of every missing route of these programs.
NOT_FOUND = Response(status=404, body=b"404 page not found\n")


def text(body: str, status: int = 200) -> Response:
    """A plain text answer."""
    return Response(status=status, body=body.encode())


def document(content: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status=status, body=json.dumps(content).encode(), kind="application/json")


class Routes:
    """A table of routes: exact paths, or paths whose one `{}` segment is the request's `name`."""

    def __init__(self, missing: Handler = lambda _: NOT_FOUND) -> None:
        self._exact: dict[tuple[str, str], Handler] = {}
        self._named: list[tuple[str, str, str, Handler]] = []
        self._missing = missing

    def add(self, methods: str, path: str, handler: Handler) -> None:
        """Serve `path` for methods such as `"GET POST"`."""
        for method in methods.split():
            if "{}" in path:
                before, after = path.split("{}")
                self._named.append((method, before, after, handler))
            else:
                self._exact[method, path] = handler

    def answer(self, request: Request) -> Response:
        """Find the route and call it; an unknown path gets the program's answer for it."""
        method = "GET" if request.method == "HEAD" else request.method
        if handler := self._exact.get((method, request.path)):
            return handler(request)
        for wanted, before, after, handler in self._named:
            if wanted != method or not (request.path.startswith(before) and request.path.endswith(after)):
                continue
            name = request.path[len(before) : len(request.path) - len(after)]
            if name and "/" not in name:
                return handler(
                    Request(
                        method=method,
                        path=request.path,
                        query=request.query,
                        headers=request.headers,
                        body=request.body,
                        name=unquote(name),
                    )
                )
        if any(path == request.path for _, path in self._exact):
            return Response(status=405)
        return self._missing(request)


def listen(port: int, routes: Routes) -> ThreadingHTTPServer:
    """Start answering on a port, in threads that end with the process."""

    class Exchange(_Exchange):
        table = routes

    server = _Server(("0.0.0.0", port), Exchange)  # noqa: S104 - a container's own network
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        # HTTPServer.server_bind asks DNS for its own name, which costs seconds where no DNS answers.
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "standin", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that went away is no news; anything else is a fault of the stand-in and shows its traceback.
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS
    table: Routes

    def _answer(self) -> None:
        try:
            response = self.table.answer(self._request())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Input of the wrong form, wherever a handler came upon it; how much of it is still unread is unknown.
            self.close_connection = True
            response = text(f"bad request: {error}\n", 400)
        self._send(response)

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=self._body(),
        )

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        if response.body:
            self.send_header("Content-Type", response.kind)
        for key, value in response.headers.items():
            self.send_header(key, value)
        if response.status != 204:  # noqa: PLR2004 - No Content must not carry a length
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            # A client that is not told would ask again on a connection that is about to close.
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815 - names of the base class

    def version_string(self) -> str:
        return "standin"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing per request: health checks alone would drown the log."""
