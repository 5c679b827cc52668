"""Where is MiniStack installed, and how?

It pins its own botocore, so it lives in an environment of its own, from a requirements file with hashes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lgtm_deploy.core.errors import MissingToolError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox.files import locked
from lgtm_deploy.sandbox.home import PACKAGE, Home
from lgtm_deploy.sandbox.progress_limit import ProgressLimit

REQUIREMENTS = PACKAGE / "ministack.txt"
# The longest pause in which an installer writes nothing.
INSTALL_SECONDS = 600.0
_POLL_SECONDS = 1.0
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def interpreter(home: Home) -> Path:
    """The Python that has MiniStack; one folder for each content of the requirements file."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:8]
    return home.path / f"ministack-{digest}" / "bin" / "python"


def ensure_ministack(home: Home, progress: Progress) -> Path:
    """Installs MiniStack where it is missing, and returns its Python.

    Raises MissingToolError when it cannot be installed.
    """
    python = interpreter(home)
    folder = python.parent.parent
    complete = folder / "complete"
    with locked(home.path / "ministack.lock", progress, "waiting for MiniStack to be installed"):
        if not complete.exists():
            progress("installing MiniStack")
            shutil.rmtree(folder, ignore_errors=True)
            for command in _commands(folder, python):
                _run(command, folder, progress)
            complete.touch()
    return python


def _commands(folder: Path, python: Path) -> list[list[str]]:
    uv = _uv()
    install = ["--require-hashes", "--requirement", str(REQUIREMENTS)]
    if uv:
        return [
            [uv, "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--no-config", "--python", str(python), *install],
        ]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *install],
    ]


def _uv() -> str | None:
    # scripts/setup puts uv beside the interpreter where it is not installed on the machine.
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: Sequence[str], folder: Path, progress: Progress) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if _CERTIFICATES.is_file():
        # uv brings its own; behind a proxy only the system's will do.
        environment.setdefault("SSL_CERT_FILE", str(_CERTIFICATES))
    limit = ProgressLimit(INSTALL_SECONDS)
    with tempfile.TemporaryFile() as said:
        try:
            running = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        except OSError as error:
            raise _failed(str(error)) from error
        with running:
            try:
                while not _has_ended(running):
                    progress("")
                    limit.observe([_size(folder)])
                    if limit.has_passed:
                        raise _failed(f"it wrote nothing for {INSTALL_SECONDS:g} s")
            finally:
                running.kill()
        said.seek(0)
        if running.returncode != 0:
            raise _failed(" ".join(said.read().decode("utf-8", "replace").split())[-400:])


def _has_ended(running: subprocess.Popen[bytes]) -> bool:
    """Wait a moment for its end, and return whether it has come."""
    with suppress(subprocess.TimeoutExpired):
        running.wait(timeout=_POLL_SECONDS)
    return running.returncode is not None


def _size(folder: Path) -> int:
    """Return how many files and folders are in it."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def _failed(said: str) -> MissingToolError:
    return MissingToolError(
        f"MiniStack could not be installed: {said}", resolution="Check that a Python package index is reachable."
    )
