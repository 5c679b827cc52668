"""A proxy on loopback between lgtm-deploy and the local AWS that lets one call in five fail as AWS and networks do."""

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

ONE_IN = 5
STALL_SECONDS = 10.0
# What may happen to a call. `unsent`, `lost`: the connection is reset, before the call arrives and after it was done.
KINDS = ("throttled", "error", "error when done", "unsent", "lost", "stalled", "expired")
# HTTP status and code of each, for JSON, query and S3.
ANSWERS = {
    "throttled": ((400, "ThrottlingException"), (400, "Throttling"), (503, "SlowDown")),
    "error": ((500, "ServerException"), (500, "InternalFailure"), (500, "InternalError")),
    "expired": ((400, "ExpiredTokenException"), (403, "ExpiredToken"), (400, "ExpiredToken")),
}
BODIES = (
    ("application/x-amz-json-1.1", '{{"__type": "{code}", "message": "injected"}}'),
    ("text/xml", "<ErrorResponse><Error><Code>{code}</Code><Message>injected</Message></Error></ErrorResponse>"),
    ("application/xml", "<Error><Code>{code}</Code><Message>injected</Message></Error>"),
)
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


class Faults:
    """While it is entered, who asks `url` asks `target`. The same seed gives the same faults in the order of calls."""

    def __init__(self, seed: int, target: str, *, kinds: Sequence[str] = KINDS, one_in: int = ONE_IN) -> None:
        self.target = urlsplit(target).netloc
        self._kinds, self._one_in = kinds, one_in
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.happened: Counter[str] = Counter()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.faults = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> "Faults":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def failed(self) -> int:
        """How many calls had a fault."""
        return self.happened.total() - self.happened[""]

    def drawn(self) -> str:
        """What happens to the next call; nothing for most."""
        with self._lock:
            fault = self._dice.choice(self._kinds) if self._dice.randrange(self._one_in) == 0 else ""
            self.happened[fault] += 1
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    faults: Faults

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """Closes without an end of its own, so that lingering decides."""
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone away is no error here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.faults.drawn()
        if fault == "stalled":
            time.sleep(STALL_SECONDS)
        elif fault == "unsent":
            self._reset()
            return
        elif fault in ANSWERS:
            self._refuse(fault, body)
            return
        with self._forwarded(body) as (answer, content):
            if fault == "lost":
                self._reset()
            elif fault == "error when done":
                self._refuse("error", body)
            else:
                headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
                self._send(answer.status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    @contextmanager
    def _forwarded(self, body: bytes) -> Iterator[tuple[HTTPResponse, bytes]]:
        target = self.server.faults.target
        connection = HTTPConnection(target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            connection.request(self.command, self.path, body, {**headers, "Host": target})
            answer = connection.getresponse()
            yield answer, answer.read()
        finally:
            connection.close()

    def _refuse(self, fault: str, body: bytes) -> None:
        """Answers as the service would, in the protocol of AWS's that the call came in."""
        query = body.startswith(b"Action=") or b"&Action=" in body
        protocol = 0 if "X-Amz-Target" in self.headers else 1 if query else 2
        status, code = ANSWERS[fault][protocol]
        kind, text = BODIES[protocol]
        self._send(status, {"Content-Type": kind}, text.format(code=code).encode())

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        length = headers.pop("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": length}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _reset(self) -> None:
        # Closed without lingering: the other side gets a reset, not an end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: what happened is counted."""
