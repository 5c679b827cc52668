"""A small threaded HTTP/1.1 server, and the requests and responses that it carries."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

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
        """Return the first value of a query argument, or of a form field (the query APIs take both)."""
        return (self.arguments(key) or [default])[0]

    def arguments(self, key: str) -> list[str]:
        """Return all values of a query argument or form field, in order."""
        values = list(self.query.get(key, []))
        if self.header("content-type").startswith("application/x-www-form-urlencoded"):
            values += parse_qs(self.body.decode(errors="replace")).get(key, [])
        return values

    def header(self, key: str) -> str:
        """Return a header by its lower-case name, or an empty string."""
        return self.headers.get(key, "")

    def content(self) -> bytes:
        """Return the body, unzipped where it says that it is zipped. Raises ValueError where it is not."""
        if self.header("content-encoding") != "gzip":
            return self.body
        try:
            return gzip.decompress(self.body)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"gzip: {error}") from error

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raises ValueError where it is none."""
        content = json.loads(self.content() or b"{}")
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - input of the wrong form
        return content


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer."""

    status: int = 200
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds until it is sent."""
    hangs: bool = False
    """Nothing is sent, until the client closes the connection."""
    drops: bool = False
    """The connection is closed without an answer."""


Answer = Callable[[Request], Response]

# Go's http.NotFound, the answer to a missing route (every file: `GET /nope, demo`).
NOT_FOUND = Response(status=404, body=b"404 page not found\n")


def text(body: str, status: int = 200) -> Response:
    """Return a plain text answer."""
    return Response(status=status, body=body.encode())


def document(content: object, status: int = 200, kind: str = "application/json") -> Response:
    """Return a JSON answer, spelled as Go does."""
    return Response(status=status, body=json.dumps(content, separators=(",", ":")).encode(), kind=kind)


def request_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    """Return the request for a request line's target."""
    path, _, query = target.partition("?")
    return Request(
        method=method,
        path=unquote(path),
        query=parse_qs(query, keep_blank_values=True),
        headers={key.lower(): value for key, value in headers.items()},
        body=body,
    )


# The connections that get no answer, as long as their clients wait.
hanging: set[object] = set()


def listen(port: int, answer: Answer, host: str = "0.0.0.0") -> ThreadingHTTPServer:  # noqa: S104 - a container's own
    """Start answering on a port, in threads that end with the process."""

    class Exchange(HttpExchange):
        answers = staticmethod(answer)

    server = HttpServer((host, port), Exchange)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    return server


class HttpServer(ThreadingHTTPServer):
    """The standard library's server, without a look-up of its own name."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without asking DNS, which costs seconds where none answers."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "standin", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Print the traceback of anything but a client that went away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class HttpExchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS
    answers: Answer

    def read(self) -> Request:
        """Return the request that came in."""
        # `self.path` has one slash where the request line has two.
        target = self.requestline.split()[1]
        return request_of(self.command, target, dict(self.headers.items()), self._body())

    def send(self, response: Response) -> None:
        """Send the response, or do what it says instead."""
        time.sleep(response.delay)
        if response.hangs:
            self._wait_for_close()
        if response.hangs or response.drops:
            self.close_connection = True
            return
        self.send_response(response.status)
        if response.kind:
            self.send_header("Content-Type", response.kind)
        for key, value in response.headers.items():
            self.send_header(key, value)
        if response.status != 204:  # noqa: PLR2004 - No Content must not carry a length
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _answer(self) -> None:
        self.send(type(self).answers(self.read()))

    def _wait_for_close(self) -> None:
        self.connection.settimeout(None)
        hanging.add(self)
        try:
            while self.connection.recv(65536):
                pass
        finally:
            hanging.discard(self)

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

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _answer  # noqa: N815 - names of the base class

    def version_string(self) -> str:
        """Return the name in the `Server` header."""
        return "standin"

    def log_message(self, format: str, *args: object) -> None:
        """Log no request: health checks alone would drown the log."""
