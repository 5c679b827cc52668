"""Is a state that Terraform keeps in a local file still the one that was left there?"""

import fcntl
import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.private import create_private, make_private

DEFAULT = "terraform.tfstate"
_WORKSPACES = "terraform.tfstate.d"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which state it is, and how often it was written (Terraform: lineage and serial)."""

    lineage: str
    serial: int


def local_state(root: Path, data: Path) -> Path | None:
    """The state file of that root; None when its backend is not `local`.

    Terraform writes the backend that `init` chose into its data folder; without one it is `local` with its defaults.
    """
    chosen = _backend(data)
    if chosen.get("type", "local") != "local":
        return None
    config = chosen.get("config") or {}
    workspace = _first_line(data / "environment") or "default"
    if workspace == "default":
        return (root / (config.get("path") or DEFAULT)).resolve()
    return (root / (config.get("workspace_dir") or _WORKSPACES) / workspace / DEFAULT).resolve()


class StateFile:
    """A local state file, held against what this tool last saw of it.

    Terraform truncates the file before it writes it anew (statemgr.Filesystem), and takes an empty one for no state at
    all: after a kill the next apply may create everything again. `memory` is a private folder for all such files. It
    holds the last lineage and serial of each, and a copy of the file from before an apply until the file is found
    whole again. The copy may hold secrets.
    """

    def __init__(self, file: Path, memory: Path) -> None:
        self._file = file
        folder = memory / hashlib.sha256(str(file).encode()).hexdigest()[:16]
        self._seen = folder / "seen.json"
        self.copy = folder / "before-apply.tfstate"

    def check(self) -> None:
        """Raises PermanentError when the file is empty, torn, gone, another one or an older one than was last seen.

        A copy that is no longer needed is removed.
        """
        wrong, meant = self._wrong()
        # Whoever holds it may be writing it now, or for the first time: Terraform itself names them.
        if wrong and not _is_locked(self._file):
            raise PermanentError(wrong, resolution=self._way_back(meant))
        if not wrong:
            self._remember()
            self.copy.unlink(missing_ok=True)

    def keep(self) -> None:
        """Copies the file, for the case that Terraform is killed while it writes."""
        if not self._file.is_file():
            return
        make_private(self.copy.parent)
        _write(self.copy, self._file.read_bytes())

    def let_go(self) -> None:
        """Removes the copy if the file is whole after the apply; otherwise it is left for whoever puts it back."""
        wrong, _ = self._wrong()
        if not wrong:
            self._remember()
            self.copy.unlink(missing_ok=True)

    def _wrong(self) -> tuple[str, str]:
        """What is wrong with the file, and in which case that would be meant so; nothing when it is well."""
        before = self._last_seen()
        if not self._file.is_file():
            gone = before is not None and before.serial > 0
            what = f"The state {self._file} is gone: Terraform would create everything again."
            return (what, self._forgetting) if gone else ("", "")
        found = _identity(self._file)
        if found is None:
            how = "empty" if not self._file.stat().st_size else "damaged"
            meant = f"If nothing was ever applied there: `rm {shlex.quote(str(self._file))}`."
            return f"The state {self._file} is {how}: Terraform would create everything again.", meant
        if before is None or before == found:
            return "", ""
        if found.lineage != before.lineage:
            what = f"its lineage is {found.lineage or 'none'}, it was {before.lineage or 'none'}"
            return f"The state {self._file} is another one: {what}.", self._forgetting
        if found.serial < before.serial:
            what = f"its serial is {found.serial}, it was {before.serial}"
            return f"The state {self._file} is an older one: {what}.", self._forgetting
        return "", ""

    @property
    def _forgetting(self) -> str:
        return f"If that is meant: `rm {shlex.quote(str(self._seen))}`."

    def _way_back(self, meant: str) -> str:
        for copy in (self.copy, self._file.with_name(f"{self._file.name}.backup")):
            if copy.is_file() and _identity(copy) is not None:
                words = " ".join(shlex.quote(str(each)) for each in (copy, self._file))
                whose = "from before the last apply" if copy == self.copy else "Terraform's own"
                return f"Put the copy back ({whose}): `cp {words}`. {meant}"
        return f"There is no copy here: restore it from a backup. {meant}"

    def _last_seen(self) -> Identity | None:
        return _identity(self._seen) if self._seen.is_file() else None

    def _remember(self) -> None:
        found = _identity(self._file) if self._file.is_file() else None
        if found is None or found == self._last_seen():
            return
        make_private(self._seen.parent)
        known = {"file": str(self._file), "lineage": found.lineage, "serial": found.serial}
        _write(self._seen, json.dumps(known).encode())


def _identity(file: Path) -> Identity | None:
    try:
        known = json.loads(file.read_bytes())
        return Identity(lineage=str(known["lineage"]), serial=int(known["serial"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _backend(data: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((data / DEFAULT).read_text(encoding="utf-8")).get("backend")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _is_locked(file: Path) -> bool:
    """Whether another process holds the file as Terraform does (fcntl(2), an exclusive lock on all of it)."""
    try:
        with file.open("rb") as held:
            fcntl.lockf(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _write(file: Path, content: bytes) -> None:
    """All of it or nothing, on disk, for the owner only."""
    whole = file.with_name(f"{file.name}.new")
    create_private(whole, content)
    whole.replace(file)


def attributes_in(state: str) -> Mapping[str, Mapping[str, Any]]:
    """What a state (`terraform state pull`, version 4) has of each managed resource, by address."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in (json.loads(state) if state.strip() else {}).get("resources", []):
        if each.get("mode") != "managed":
            continue
        module = f"{each['module']}." if each.get("module") else ""
        for instance in each.get("instances", []):
            if not instance.get("deposed"):
                key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                known = instance.get("attributes") or {}
                address = f"{module}{each['type']}.{each['name']}{key}"
                found[address] = {name: _plain(value) for name, value in known.items()}
    return found


def _plain(value: Any) -> Any:
    """An attribute that takes any type is written with its type (cty: the dynamic pseudo-type)."""
    return value["value"] if isinstance(value, dict) and value.keys() == {"value", "type"} else value
