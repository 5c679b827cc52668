"""What of the running Python does an image need? Its binary, its library, and what they link to."""

from __future__ import annotations

import importlib.util
import io
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

HOME = "/opt/standin"
LIBRARIES = f"{HOME}/lib"

# Not needed by an HTTP server that reads YAML, and together two thirds of the library.
_WITHOUT = {
    "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "distutils", "site-packages",
    "dist-packages", "unittest", "pydoc_data", "asyncio", "multiprocessing", "sqlite3", "curses", "xmlrpc", "wsgiref",
    "venv", "dbm", "ctypes", "xml", "lib-dynload", "__pycache__", "__phello__", "msilib", "_pyrepl", "compression",
}  # fmt: skip
_WITHOUT_MODULES = {"turtle.py", "pydoc.py", "pdb.py", "doctest.py", "_pydecimal.py", "antigravity.py", "this.py"}
_EXTENSIONS = {
    "_socket", "select", "math", "_struct", "array", "binascii", "zlib", "_json", "_datetime", "_random", "_bisect",
    "_heapq", "_posixsubprocess", "_blake2", "_md5", "_sha1", "_sha2", "_sha256", "_sha512", "_sha3", "_csv", "_opcode",
    "_statistics", "_contextvars", "_queue", "fcntl", "grp", "unicodedata", "_zoneinfo", "resource", "_typing",
}  # fmt: skip


def fingerprint() -> str:
    """What names this Python, quickly: nothing of it is read."""
    binary = _binary()
    stat = binary.stat()
    yaml = importlib.util.find_spec("yaml")
    return f"{sys.version} {binary} {stat.st_size} {stat.st_mtime_ns} {yaml.origin if yaml else ''}"


def add_file(archive: tarfile.TarFile, name: str, content: bytes | None, *, mode: int = 0o644, uid: int = 0) -> None:
    """Put a file, or a directory where `content` is None, into an archive, always with the same metadata."""
    member = tarfile.TarInfo(name.lstrip("/"))
    member.mode, member.uid, member.gid, member.mtime = mode, uid, uid, 0
    if content is None:
        member.type = tarfile.DIRTYPE
        archive.addfile(member)
    else:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


class PythonRoot:
    """Writes a root filesystem that holds this Python and one application."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def write(self, application: Mapping[str, Path]) -> None:
        """Write everything; `application` maps paths under `<HOME>/app` to files here."""
        binary = _binary()
        extensions = list(_extension_files())
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        library = f"{HOME}/lib/{version}"
        for directory in ("/etc", f"{library}/lib-dynload"):
            add_file(self._archive, directory, None, mode=0o755)
        add_file(self._archive, "/tmp", None, mode=0o1777)  # noqa: S108 - the image's own
        add_file(self._archive, f"{HOME}/bin/python3", _program(binary), mode=0o755)
        for extension in extensions:
            add_file(self._archive, f"{library}/lib-dynload/{extension.name}", extension.read_bytes(), mode=0o755)
        self._write_shared_libraries([binary, *extensions])
        with tempfile.TemporaryDirectory(prefix="lgtm-standin-") as scratch:
            compiled = Path(scratch) / "compiled.pyc"
            for name, path in _standard_library():
                add_file(self._archive, f"{library}/{name}c", _compile(path, name, compiled))
            for name, path in sorted(application.items()):
                if path.suffix == ".py":
                    add_file(self._archive, f"{HOME}/app/{name}c", _compile(path, name, compiled))
                else:
                    add_file(self._archive, f"{HOME}/app/{name}", path.read_bytes())

    def write_program(self, name: str, program: Path) -> None:
        """Write a program of this machine, and what it links to."""
        add_file(self._archive, name, _program(program), mode=0o755)
        self._write_shared_libraries([program])

    def _write_shared_libraries(self, programs: list[Path]) -> None:
        for name, path in sorted(_shared_libraries(programs).items()):
            # The loader is found by the absolute path that is written in the binary, the others by the library path.
            target = name if name.startswith("/") else f"{LIBRARIES}/{name}"
            add_file(self._archive, target, _program(path), mode=0o755)


def _binary() -> Path:
    # Inside a virtual environment the base interpreter is the real one.
    base = getattr(sys, "_base_executable", None) or sys.executable
    candidate = Path(base).resolve()
    return candidate if candidate.exists() else Path(sys.executable).resolve()


def _standard_library() -> Iterator[tuple[str, Path]]:
    home = Path(sysconfig.get_path("stdlib"))
    for directory, inside, names in os.walk(home):
        inside[:] = sorted(one for one in inside if one not in _WITHOUT and not one.startswith("config-"))
        for name in sorted(names):
            if name.endswith(".py") and name not in _WITHOUT_MODULES and not name.startswith("_sysconfigdata"):
                path = Path(directory) / name
                yield path.relative_to(home).as_posix(), path


def _extension_files() -> Iterator[Path]:
    # Always on the path, while sysconfig answers with the virtual environment's; uv's Pythons build most of them in.
    for home in (Path(entry) for entry in sys.path if entry.endswith("lib-dynload")):
        for path in sorted(home.glob("*.so")):
            if path.name.split(".")[0] in _EXTENSIONS:
                yield path


def _program(path: Path) -> bytes:
    # Debug symbols are four fifths of some Pythons, and every image is pushed with them; without binutils they stay.
    strip = shutil.which("strip")
    if strip is None:
        return path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="lgtm-standin-") as scratch:
        target = Path(scratch) / path.name
        done = subprocess.run(
            [strip, "--strip-unneeded", "-o", str(target), str(path)], capture_output=True, check=False
        )
        return (target if done.returncode == 0 else path).read_bytes()


def _compile(path: Path, name: str, target: Path) -> bytes:
    # Without its source beside it, a module is loaded from the compiled file alone: smaller, and quicker to start.
    py_compile.compile(
        str(path),
        cfile=str(target),
        dfile=name,
        doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return target.read_bytes()


def _shared_libraries(programs: list[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for program in programs:
        answer = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False, timeout=30)
        for line in answer.stdout.splitlines():
            if named := re.match(r"\s*(\S+) => (/\S+)", line):
                found[Path(named[1]).name] = Path(named[2]).resolve()
            elif loader := re.match(r"\s*(/\S*ld[-\w.]*so[.\d]*)\s+\(", line):
                found[loader[1]] = Path(loader[1]).resolve()
    return found
