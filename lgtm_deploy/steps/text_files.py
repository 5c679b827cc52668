"""Text files of a stack and its repository."""

from pathlib import Path

LARGEST = 1_000_000


def text_of(file: Path) -> str | None:
    """Return the text of a file, without a byte order mark; None: it is larger than 1 MB, or no text, or not there."""
    try:
        if file.stat().st_size > LARGEST:
            return None
        content = file.read_bytes()
    except OSError:
        return None
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
