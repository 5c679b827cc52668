"""Objects in a bucket whose answers break off on the way."""

import socket
import struct
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.s3 import S3Objects
from lgtm_deploy.core.errors import TransientError

TEXT = b"all of it"


class Bucket(BaseHTTPRequestHandler):
    """One object, whose first `broken` readings end in the middle: by an end, or with a `reset`."""

    broken = 0
    reset = False
    asked = 0

    def do_GET(self) -> None:
        Bucket.asked += 1
        self.send_response(200)
        self.send_header("ETag", '"a"')
        self.send_header("Last-Modified", "Sun, 29 Nov 2026 23:00:00 GMT")
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        if Bucket.asked > Bucket.broken:
            self.wfile.write(TEXT)
            return
        self.wfile.write(TEXT[:3])
        if Bucket.reset:
            # socket(7): closing it sends a reset then.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Objects]:
    for name, value in (("broken", 0), ("reset", False), ("asked", 0)):
        monkeypatch.setattr(Bucket, name, value)
    with ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        aws = Aws(region="eu-west-1", endpoint_url=f"http://127.0.0.1:{server.server_port}")
        yield S3Objects(aws, bucket="state")
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("reset", [False, True])
def test_an_object_that_breaks_off_is_read_again(objects: S3Objects, reset: bool) -> None:
    Bucket.broken, Bucket.reset = 2, reset

    found = objects.get("locks/prod")

    assert found is not None
    assert (found.body, Bucket.asked) == (TEXT, 3)


def test_an_object_that_always_breaks_off_may_be_whole_later(objects: S3Objects) -> None:
    Bucket.broken = 99

    with pytest.raises(TransientError, match=r"s3://state/locks/prod: .* broke off"):
        objects.get("locks/prod")

    assert Bucket.asked < 10
