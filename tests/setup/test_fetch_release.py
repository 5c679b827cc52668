"""Fetching a pinned release, from a file server on this machine."""

import hashlib
import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FETCH = ROOT / "scripts" / "fetch_release.py"
VERSION_LINE = "Terraform v0.0.0-fake"


def release() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        # Of no time of day: the same bytes whenever it is asked for.
        archive.writestr(zipfile.ZipInfo("LICENSE.txt"), "none")
        archive.writestr(zipfile.ZipInfo("terraform"), f"#!/bin/sh\necho '{VERSION_LINE}'\n")
    return packed.getvalue()


class FileServer:
    """Serves one file, and counts how often."""

    def __init__(self, content: bytes) -> None:
        self.hits = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.hits += 1
                found = self.path == "/terraform.zip"
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(content if found else b"")

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[FileServer]:
    serving = FileServer(release())
    yield serving
    serving.close()


def fetch(url: str, sha256: str, destination: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(FETCH), url, sha256, "terraform", str(destination)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "no_proxy": "*"},
    )


def test_the_program_is_taken_out_of_the_zip_and_runs(server: FileServer, tmp_path: Path) -> None:
    program = tmp_path / "tools" / "terraform"
    done = fetch(f"{server.url}/terraform.zip", hashlib.sha256(release()).hexdigest(), program)
    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.check_output([program], text=True).strip() == VERSION_LINE


def test_another_checksum_leaves_nothing_and_says_so_in_one_line(server: FileServer, tmp_path: Path) -> None:
    done = fetch(f"{server.url}/terraform.zip", "0" * 64, tmp_path / "terraform")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "SHA-256" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["/nothing.zip"])
def test_a_release_that_is_not_there_is_one_line(server: FileServer, tmp_path: Path, path: str) -> None:
    done = fetch(f"{server.url}{path}", "0" * 64, tmp_path / "terraform")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_a_zip_without_the_program_is_one_line(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("README", "")
    other = FileServer(packed.getvalue())
    try:
        sha256 = hashlib.sha256(packed.getvalue()).hexdigest()
        done = fetch(f"{other.url}/terraform.zip", sha256, tmp_path / "terraform")
    finally:
        other.close()
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
