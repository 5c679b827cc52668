"""A bucket for Terraform's state that can be locked (Terraform: backend `s3` with `use_lockfile`), in this process."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BACKEND = """
terraform {
  backend "s3" {
    bucket         = "states"
    key            = "alb.tfstate"
    region         = "eu-central-1"
    access_key     = "test"
    secret_key     = "test"
    endpoints      = { s3 = "URL" }
    use_lockfile   = true
    use_path_style = true
    max_retries    = 1

    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
    skip_requesting_account_id  = true
    skip_s3_checksum            = true
  }
}
"""
LOCK_PATH = "/states/alb.tfstate.tflock"
EMPTY_LIST = (
    b'<?xml version="1.0"?><ListBucketResult><Name>states</Name><IsTruncated>false</IsTruncated></ListBucketResult>'
)
REFUSED = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>no</Message></Error>'


class Store:
    """The objects, the locks that were taken and the ids that were given back."""

    def __init__(self, url: str) -> None:
        self.backend = BACKEND.replace("URL", url)
        self.objects: dict[str, bytes] = {}
        self.taken: list[dict[str, Any]] = []
        self.unlocked: list[str] = []
        self.denies_locks = False

    @property
    def lock(self) -> dict[str, Any]:
        """Who has it locked; nothing when nobody has."""
        found: dict[str, Any] = json.loads(self.objects.get(LOCK_PATH, b"{}"))
        return found

    def hold(self) -> None:
        """Somebody has it locked."""
        held = {
            "ID": "11111111-2222-3333-4444-555555555555",
            "Operation": "OperationTypeApply",
            "Who": "ci@runner-4",
            "Version": "1.11.4",
            "Created": "2026-01-16T00:15:04.5Z",
            "Path": "states/alb.tfstate",
            "Info": "",
        }
        self.objects[LOCK_PATH] = json.dumps(held).encode()

    def let_go(self) -> None:
        """Nobody has it locked."""
        del self.objects[LOCK_PATH]


@contextmanager
def served() -> Iterator[Store]:
    """The store, for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

        def name(self) -> str:
            return self.path.partition("?")[0]

        def answer(self, status: int, content: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            if self.name().rstrip("/") == "/states":
                self.answer(200, EMPTY_LIST)
            elif self.name() in store.objects:
                self.answer(200, store.objects[self.name()])
            else:
                self.answer(404, REFUSED % b"NoSuchKey")

        def do_HEAD(self) -> None:
            self.send_response(200 if self.name() in store.objects or self.name() == "/states" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.name() == LOCK_PATH and store.denies_locks:
                self.answer(403, REFUSED % b"AccessDenied")
                return
            if self.headers.get("If-None-Match") == "*" and self.name() in store.objects:
                self.answer(412, REFUSED % b"PreconditionFailed")
                return
            store.objects[self.name()] = content
            if self.name() == LOCK_PATH:
                store.taken.append(store.lock)
            self.answer(200)

        def do_DELETE(self) -> None:
            if self.name() == LOCK_PATH:
                store.unlocked.append(store.lock.get("ID", ""))
            store.objects.pop(self.name(), None)
            self.answer(204)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store = Store(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
