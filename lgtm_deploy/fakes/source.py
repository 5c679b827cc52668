"""Revisions of a cloud's Terraform roots."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Revision
from lgtm_deploy.fakes.cloud import FakeCloud


class FakeSource:
    """The cloud's revision, and the roots of its earlier ones."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def revision(self, paths: Sequence[Path]) -> Revision:
        """The revision of everything."""
        return self._cloud.perform("source.revision", lambda: self._cloud.revision, paths=tuple(paths))

    @contextmanager
    def checkout(self, commit: str, into: Path) -> Iterator[Callable[[Path], Path]]:
        """The roots of that commit, in a folder that is removed in the end. Raises PermanentError."""
        roots = self._cloud.perform("source.checkout", lambda: self._cloud.earlier.get(commit), commit=commit)
        if roots is None:
            raise PermanentError(f"There is no revision {commit}.")

        def there(path: Path) -> Path:
            root = roots.get(path.resolve())
            if root is None:
                raise PermanentError(f"{path.name} is not in revision {commit}.")
            here = (into / path.name).resolve()
            here.mkdir(parents=True, exist_ok=True)
            self._cloud.roots[here] = root
            return here

        try:
            yield there
        finally:
            shutil.rmtree(into, ignore_errors=True)


class FakeApplied:
    """What the cloud's roots were applied from last."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def last(self, root: str) -> tuple[Revision, str]:
        """The revision at the last apply of that root."""
        found = self._cloud.applied.get(root)
        return (found, "") if found else (Revision(), "no revision is recorded for its last apply")
