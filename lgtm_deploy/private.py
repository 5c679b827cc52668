"""Private folders and files: whoever may write to them could put another journal or plan there."""

import os
from contextlib import suppress
from pathlib import Path

# The tool's own folder beside a stack file.
OWN_FOLDER = ".lgtm-deploy"


def make_private(folder: Path) -> None:
    """Makes the folder, and those above it that are missing, for their owner only; others stay as they are.

    `Path.mkdir` gives its mode to the last of them alone. The tool's own folder ignores itself, so that version control
    does not see it. Raises OSError.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_private(folder.parent)
        make_private(folder)
    except FileExistsError:
        if not folder.is_dir():
            raise
    _ignore_in(folder)


def create_private(file: Path, content: bytes) -> None:
    """Write a new file for its owner only, on disk when this returns; one that is there is removed. Raises OSError."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _ignore_in(folder: Path) -> None:
    """Let Git ignore the tool's own folder, whatever the repository's own files say."""
    own = next((each for each in (folder, *folder.parents) if each.name == OWN_FOLDER), None)
    if own is None or (own / ".gitignore").exists():
        return
    with suppress(FileExistsError):
        handle = os.open(own / ".gitignore", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write("*\n")
