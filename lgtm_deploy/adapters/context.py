"""What goes into a build: the context's files, one hash over them, one archive of them.

The archive is a pure function of what is hashed: times, owners and permissions other than the executable bit are left
out of both, so the same commit gives the same bytes on every machine.
"""

import hashlib
import stat
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from docker.utils.build import exclude_paths

from lgtm_deploy.core.errors import NotFoundError, PermanentError
from lgtm_deploy.core.placeholders import taken
from lgtm_deploy.core.ports import BuildRequest

# Config files are small; what is larger is data.
_CONFIG_BYTES = 1_000_000


def read_dockerfile(request: BuildRequest) -> str:
    """The Dockerfile's text. Raises NotFoundError."""
    if not request.context.is_dir():
        raise NotFoundError(f"The build context {request.context} does not exist.")
    try:
        return (request.context / request.dockerfile).read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFoundError(f"The build context {request.context} has no {request.dockerfile}.") from error
    except OSError as error:
        raise PermanentError(f"{request.context / request.dockerfile}: {error.strerror}.") from error


def files(request: BuildRequest) -> list[str]:
    """The context's files and links after .dockerignore, relative, sorted; no empty folders, as in Git."""
    ignored = request.context / ".dockerignore"
    patterns = _patterns(ignored.read_text(encoding="utf-8")) if ignored.is_file() else []
    listed = exclude_paths(str(request.context), patterns, dockerfile=request.dockerfile)
    return sorted(path for path in listed if _is_file_or_link(request.context / path))


def hash_of(request: BuildRequest, dockerfile: str, bases: Mapping[str, str]) -> str:
    """64 hex digits over all that decides the image. `bases` maps base images to their digests."""
    digest = hashlib.sha256()

    def add(kind: str, *parts: str | bytes) -> None:
        for part in (kind, *parts):
            raw = part.encode() if isinstance(part, str) else part
            # Lengths keep two neighbours from being mistaken for each other.
            digest.update(b"%d:" % len(raw))
            digest.update(raw)

    add("platform", request.platform)
    add("dockerfile", dockerfile)
    for name, value in sorted(request.build_args.items()):
        add("argument", name, value)
    for image, base in sorted(bases.items()):
        add("base", image, base)
    with _reading(request):
        for path, kind, content in _entries(request):
            add("file", path, kind, content)
    return digest.hexdigest()


def write_archive(request: BuildRequest, out: BinaryIO) -> None:
    """Writes the context as an uncompressed tar archive."""
    with _reading(request), tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        listed = files(request)
        for folder in _folders(listed):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path in listed:
            _add(archive, request.context / path, path)


def variables(request: BuildRequest) -> tuple[str, ...]:
    """Names of the environment variables that the context's files take without a default, the Dockerfile left out."""
    found: set[str] = set()
    with _reading(request):
        for path in files(request):
            full = request.context / path
            if path != request.dockerfile and full.is_file() and full.stat().st_size <= _CONFIG_BYTES:
                found |= taken(full.read_text(encoding="utf-8", errors="ignore"))
    return tuple(sorted(found))


@contextmanager
def _reading(request: BuildRequest) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PermanentError(
            f"The build context {request.context} cannot be read: {error.filename}: {error.strerror}."
        ) from error


def _patterns(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _is_file_or_link(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _entries(request: BuildRequest) -> Iterator[tuple[str, str, bytes]]:
    for path in files(request):
        full = request.context / path
        if full.is_symlink():
            yield path, "link", str(full.readlink()).encode()
        else:
            yield path, "program" if _is_program(full) else "plain", _content_hash(full)


def _content_hash(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _folders(listed: Sequence[str]) -> list[str]:
    parents = {str(parent) for path in listed for parent in PurePosixPath(path).parents}
    return sorted(parents - {"."})


def _add(archive: tarfile.TarFile, full: Path, path: str) -> None:
    entry = tarfile.TarInfo(path)
    if full.is_symlink():
        entry.type, entry.linkname = tarfile.SYMTYPE, str(full.readlink())
        archive.addfile(entry)
        return
    entry.mode = 0o755 if _is_program(full) else 0o644
    entry.size = full.stat().st_size
    with full.open("rb") as file:
        archive.addfile(entry, file)
