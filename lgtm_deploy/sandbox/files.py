"""How are files written so that nobody reads half of one, and one process at a time does a thing?"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lgtm_deploy.core.ports import Progress
from lgtm_deploy.private import make_private

POLL_SECONDS = 0.1


def write_json(path: Path, value: Any) -> None:
    """Replaces the file in one step."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replaces the file in one step; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def read_json(path: Path) -> Any:
    """What the file holds, or None where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@contextmanager
def locked(path: Path, progress: Progress, waiting_for: str = "") -> Iterator[None]:
    """Holds the lock file, or the folder, while the block runs; the kernel frees it when the process dies.

    `waiting_for` is told to `progress` when another process has it.
    """
    make_private(path.parent)
    handle = os.open(path, os.O_CLOEXEC | (os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_CREAT))
    try:
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress("" if told else waiting_for)
                told = True
                time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(handle)
