"""Revisions of a cloud's Terraform roots."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import KeptFiles, Revision
from lgtm_deploy.fakes.cloud import FakeCloud, FakeRoot


class FakeSource:
    """The cloud's revision, and the roots of its earlier ones."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def revision(self, paths: Sequence[Path]) -> Revision:
        """The revision of everything."""
        return self._cloud.perform("source.revision", lambda: self._cloud.revision, paths=tuple(paths))

    def commits(self, paths: Sequence[Path], limit: int) -> Sequence[str]:
        """The cloud's history."""
        return self._cloud.perform("source.commits", lambda: self._cloud.history[:limit], paths=tuple(paths))

    def is_shallow(self) -> bool:
        """As the cloud says."""
        return self._cloud.perform("source.is_shallow", lambda: self._cloud.shallow)

    @contextmanager
    def checkout(self, commit: str, into: Path) -> Iterator[Callable[[Path], Path]]:
        """The roots of that commit, in a folder that is removed in the end. Raises PermanentError."""
        roots = self._cloud.perform("source.checkout", lambda: self._cloud.earlier.get(commit), commit=commit)
        if roots is None:
            raise PermanentError(f"There is no revision {commit}.")

        with _laid_out(self._cloud, roots, into, f"revision {commit}") as there:
            yield there


@contextmanager
def _laid_out(
    cloud: FakeCloud, roots: Mapping[Path, FakeRoot], into: Path, where: str
) -> Iterator[Callable[[Path], Path]]:
    def there(path: Path) -> Path:
        root = roots.get(path.resolve())
        if root is None:
            raise PermanentError(f"{path.name} is not in {where}.")
        here = (into / path.name).resolve()
        here.mkdir(parents=True, exist_ok=True)
        cloud.roots[here] = root
        return here

    try:
        yield there
    finally:
        shutil.rmtree(into, ignore_errors=True)


class FakeAppliedFiles:
    """What the cloud's roots were when they were applied."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def keep(self, root: str, sources: Sequence[Path]) -> None:
        """Keeps the roots among the sources as they are now."""
        roots = {each.resolve(): deepcopy(self._cloud.roots[each.resolve()]) for each in sources if self._is_root(each)}
        kept = self._cloud.kept.setdefault(root, [])
        about = KeptFiles(digest=f"{len(kept) + 1:016x}", at=self._cloud.clock.now().isoformat())
        kept.insert(0, (about, roots))

    def runs(self, root: str, digest: str) -> None:
        """Puts the files of that digest first."""
        self._cloud.kept.get(root, []).sort(key=lambda each: each[0].digest != digest)

    def kept(self, root: str) -> Sequence[KeptFiles]:
        """What is kept of that root, the newest first."""
        return [about for about, _ in self._cloud.kept.get(root, ())]

    @contextmanager
    def laid_out(self, root: str, digest: str, into: Path) -> Iterator[Callable[[Path], Path]]:
        """The roots that were kept under that digest. Raises PermanentError."""
        found = [roots for about, roots in self._cloud.kept.get(root, ()) if about.digest == digest]
        if not found:
            raise PermanentError(f"The files of root '{root}' that were applied ({digest}) are not kept any more.")
        with _laid_out(self._cloud, found[0], into, "the files that were applied") as there:
            yield there

    def _is_root(self, path: Path) -> bool:
        return path.resolve() in self._cloud.roots


class FakeApplied:
    """What the cloud's roots were applied from last."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def last(self, root: str) -> tuple[Revision, str]:
        """The revision at the last apply of that root."""
        found = self._cloud.applied.get(root)
        return (found, "") if found else (Revision(), "no revision is recorded for its last apply")
