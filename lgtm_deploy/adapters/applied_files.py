"""Files of Terraform roots as they were applied, kept below `.lgtm-deploy/applied/<environment>/<root>/`.

Each folder there is named after the digest of its files. It holds `tree/`, laid out as the files lie around the stack,
and `kept.json`: when they were applied last, when they were last found to be what runs, and which folder `tree/` is, as
seen from the stack's. The newest folders are kept. A folder is complete when it has its name: it is written under
another one first, and only its `kept.json` is replaced later.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import KeptFiles
from lgtm_deploy.private import OWN_FOLDER, make_private

# As many applies of a root can be undone on this machine without version control.
KEPT = 10
_LEFT_OUT = (".terraform", ".git", ".lgtm-deploy", ".terraform.tfstate.lock.info")
_DIGITS = 16


class AppliedFilesFolder:
    """The kept files of the roots of one environment; `stack` is the stack's folder, `kept_for` is where it is found.

    The two differ where a copy of the stack is applied, as the sandbox does.
    """

    def __init__(self, stack: Path, environment: str, *, kept_for: Path | None = None) -> None:
        self._stack = stack.resolve()
        self._home = (kept_for or stack).resolve() / OWN_FOLDER
        self._folder = self._home / "applied" / environment

    def keep(self, root: str, sources: Sequence[Path]) -> None:
        """Keep those files and folders as the ones that the root was applied from. Raises OSError."""
        files = {each for source in sources for each in _files(source)}
        base = Path(os.path.commonpath([self._stack, *(file.parent for file in files)]))
        digest = hashlib.sha256()
        for file in sorted(files):
            words = f"{_sum(file)}{' x' if _is_program(file) else ''}\n"
            digest.update(b"%s %s" % (os.fsencode(os.path.relpath(file, self._stack)), words.encode()))

        def copy(fresh: Path) -> None:
            fresh.mkdir(mode=0o700)
            for file in sorted(files):
                target = fresh / "tree" / file.relative_to(base)
                make_private(target.parent)
                shutil.copyfile(file, target)
                target.chmod(0o700 if _is_program(file) else 0o600)

        self._add(root, digest.hexdigest()[:_DIGITS], os.path.relpath(base, self._stack), copy)

    def runs(self, root: str, digest: str) -> None:
        """Note that the root runs these kept files now. Raises OSError."""
        folder = self._folder / root / digest
        if about := _read(folder / "kept.json"):
            _write(folder, {**about, "seen": _now()})

    def save_newest(self, folder: Path) -> None:
        """Copy what is kept newest of each root into a folder, for `take`. Raises OSError."""
        shutil.rmtree(folder, ignore_errors=True)
        for root in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            for newest in self.kept(root.name)[:1]:
                shutil.copytree(root / newest.digest, folder / root.name / newest.digest)

    def take(self, folder: Path) -> None:
        """Keep what `save_newest` has copied there, as applied now. Raises OSError."""
        for saved in sorted(folder.glob("*/*/kept.json")):
            folder = saved.parent
            self._add(folder.parent.name, folder.name, _read(saved)["base"], partial(shutil.copytree, folder))

    def _add(self, root: str, name: str, base: str, copy: Callable[[Path], object]) -> None:
        make_private(self._home)
        make_private(self._folder / root)
        folder = self._folder / root / name
        about = {"at": _now(), "base": base}
        if _read(folder / "kept.json"):
            _write(folder, about)
        else:
            fresh = folder.with_name(f"{name}.new")
            shutil.rmtree(fresh, ignore_errors=True)
            copy(fresh)
            _write(fresh, about)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.replace(folder)
        for old in self.kept(root)[KEPT:]:
            shutil.rmtree(folder.with_name(old.digest), ignore_errors=True)

    def kept(self, root: str) -> Sequence[KeptFiles]:
        """Return what is kept of the root: what was applied, or found to run, last is the first."""
        found: list[tuple[str, KeptFiles]] = []
        for file in (self._folder / root).glob("*/kept.json"):
            about = _read(file)
            if about and not file.parent.name.endswith(".new"):
                last = max(about["at"], about["seen"])
                found.append((last, KeptFiles(digest=file.parent.name, at=about["at"])))
        return [each for _, each in sorted(found, key=lambda each: each[0], reverse=True)]

    @contextmanager
    def laid_out(self, root: str, digest: str, into: Path) -> Iterator[Callable[[Path], Path]]:
        """Copy kept files into the folder `into`, which is removed in the end. Raises PermanentError."""
        kept = self._folder / root / digest
        about = _read(kept / "kept.json") if digest else {}
        if not about:
            raise PermanentError(f"The files of root '{root}' that were applied ({digest}) are not kept any more.")
        shutil.rmtree(into, ignore_errors=True)
        base = Path(os.path.normpath(self._stack / about["base"]))
        try:
            make_private(into.parent)
            shutil.copytree(kept / "tree", into)

            def there(path: Path) -> Path:
                found = into / os.path.relpath(os.path.normpath(path.absolute()), base)
                if not found.exists():
                    raise PermanentError(f"{path.name} is not among the files that were applied.")
                return found

            yield there
        finally:
            shutil.rmtree(into, ignore_errors=True)


def _files(source: Path) -> Iterator[Path]:
    """A file itself; of a folder all that is not Terraform's own. Links are followed, and cannot lead in a circle."""
    if source.is_file():
        yield source.absolute()
    elif source.is_dir():
        for folder, folders, names in os.walk(source.absolute()):
            folders[:] = sorted(each for each in folders if each not in _LEFT_OUT)
            for name in names:
                file = Path(folder) / name
                if name not in _LEFT_OUT and ".tfstate" not in name and file.is_file():
                    yield Path(os.path.normpath(file))


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _is_program(file: Path) -> bool:
    return bool(file.stat().st_mode & stat.S_IXUSR)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _write(folder: Path, about: Mapping[str, str]) -> None:
    fresh = folder / "kept.json.new"
    fresh.write_text(json.dumps(about), encoding="utf-8")
    fresh.replace(folder / "kept.json")


def _read(file: Path) -> dict[str, str]:
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        return {"at": str(about["at"]), "base": str(about["base"]), "seen": str(about.get("seen", ""))}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
