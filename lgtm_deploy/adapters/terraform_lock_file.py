"""The dependency lock file of a root that has none: kept in the tool's folder, and beside the root only for a command.

Terraform looks for the file in the root's folder and nowhere else (Terraform: "Dependency Lock File").
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = ".terraform.lock.hcl"

_guard = threading.Lock()
# Root -> commands that run in it with a lent file.
_commands: dict[Path, int] = {}


@contextmanager
def lent_lock_file(root: Path, data: Path) -> Iterator[None]:
    """Lay the kept file beside the root while a command runs; keep what the command made of it in `data`.

    A root that has a file of its own keeps that. After a kill of this process the file may stay.
    """
    here, kept = root / LOCK_FILE, data / LOCK_FILE
    with _guard:
        is_own = here.exists() and root not in _commands
        if not is_own:
            if root not in _commands and kept.is_file():
                shutil.copyfile(kept, here)
            _commands[root] = _commands.get(root, 0) + 1
    try:
        yield
    finally:
        if not is_own:
            with _guard:
                _commands[root] -= 1
                if not _commands[root]:
                    del _commands[root]
                    if here.exists():
                        shutil.move(here, kept)
