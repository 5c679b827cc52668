"""The dependency lock file of a root that has none: kept in the tool's folder, and beside the root only for a command.

Terraform looks for the file in the root's folder and nowhere else (Terraform: "Dependency Lock File").
"""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lgtm_deploy.adapters.terraform_file import sha256_of
from lgtm_deploy.core.terraform_files import LOCK_FILE

_LENT = "lent-lock-file.sha256"

_guard = threading.Lock()
# Root -> commands that run in it with a lent file.
_commands: dict[Path, int] = {}


@contextmanager
def lent_lock_file(root: Path, data: Path) -> Iterator[None]:
    """Lay the kept file beside the root while a command runs; keep what the command made of it in `data`.

    A root that has a file of its own keeps that. After a kill of this process a lent file stays. The next command knows
    it by its SHA-256, and takes it away. A file that Terraform itself made or changed in a killed command is not known.
    """
    here, kept, lent = root / LOCK_FILE, data / LOCK_FILE, data / _LENT
    with _guard:
        is_left = here.is_file() and lent.is_file() and lent.read_text(encoding="ascii") == sha256_of(here)
        is_own = here.exists() and root not in _commands and not is_left
        if not is_own:
            if root not in _commands and kept.is_file():
                lent.write_text(sha256_of(kept), encoding="ascii")
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
                    lent.unlink(missing_ok=True)
