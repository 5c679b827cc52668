"""A registry on loopback that serves images under the vendors' names (OCI distribution specification, pull only)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image as a registry holds it."""

    config: bytes
    layers: Sequence[bytes]

    @property
    def manifest(self) -> bytes:
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _descriptor(CONFIG, self.config),
                "layers": [_descriptor(LAYER, each) for each in self.layers],
            }
        ).encode()


@dataclass
class Registry:
    """What is served, by a name such as `grafana/tempo:2.9.0`, and what was asked.

    Paths that contain `silent_on` get no answer until the registry ends.
    """

    images: Mapping[str, Image]
    silent_on: str = "nothing"
    asked: list[str] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def find(self, path: str) -> tuple[str, bytes] | None:
        """The media type and the content at a path."""
        found = _PATH.fullmatch(path)
        if path == "/v2/":
            return "application/json", b"{}"
        if found is None:
            return None
        contents: dict[str, tuple[str, bytes]] = {}
        for name, image in self.images.items():
            repository, _, tag = name.partition(":")
            if repository == found["name"]:
                contents |= {tag: (MANIFEST, image.manifest), digest_of(image.manifest): (MANIFEST, image.manifest)}
                contents |= {digest_of(each): ("application/octet-stream", each) for each in image.layers}
                contents[digest_of(image.config)] = (CONFIG, image.config)
        return contents.get(found["reference"])


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """The registry answers while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            if registry.silent_on in self.path:
                registry.ended.wait()
                return
            kind, content = registry.find(self.path) or ("", b"")
            self.send_response(200 if kind else 404)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Content-Type", kind or "application/json")
            self.send_header("Content-Length", str(len(content)))
            if kind:
                self.send_header("Docker-Content-Digest", digest_of(content))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815 - as the base class spells it

        def log_message(self, *_: object) -> None:
            return

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                # The engine gave up.
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        registry.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield registry
        finally:
            registry.ended.set()
            server.shutdown()
            thread.join()


def small_image(mark: str) -> Image:
    """An image with one file, which differs by its mark."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as layer:
        member = tarfile.TarInfo("mark")
        member.size = len(mark)
        layer.addfile(member, io.BytesIO(mark.encode()))
    return _image({"architecture": "amd64", "os": "linux", "config": {"User": "10001"}}, [packed.getvalue()])


def exported_image(archive: bytes) -> Image:
    """The image of an archive that `docker save` made, without its labels: those are its maker's."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:

        def read(name: str) -> bytes:
            found = files.extractfile(name)
            assert found is not None
            return found.read()

        index = json.loads(read("manifest.json"))[0]
        config = json.loads(read(index["Config"]))
        config["config"].pop("Labels", None)
        config.pop("container_config", None)
        return _image(config, [read(name) for name in index["Layers"]])


def _image(config: dict[str, Any], layers: Sequence[bytes]) -> Image:
    config["rootfs"] = {"type": "layers", "diff_ids": [digest_of(each) for each in layers]}
    return Image(config=json.dumps(config).encode(), layers=layers)


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "size": len(content), "digest": digest_of(content)}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
