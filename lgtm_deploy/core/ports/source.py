"""Which revision the files of a stack are, and an earlier one beside them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A revision: its commit, empty where there is none, and whether the files differ from it (uncommitted changes)."""

    commit: str = ""
    dirty: bool = False


class SourceTree(Protocol):
    """The version control of the stack's folder."""

    def revision(self, paths: Sequence[Path]) -> Revision:
        """The revision that those files and folders are of; without version control an empty one. Never raises."""
        ...

    def checkout(self, commit: str, into: Path) -> AbstractContextManager[Callable[[Path], Path]]:
        """That commit in the folder `into`, which is removed in the end: gives where a path of the stack is in it.

        Nothing that the repository asks to run is run. Raises PermanentError: no such commit, or no such path in it.
        """
        ...


class Applied(Protocol):
    """What earlier runs have applied."""

    def last(self, root: str) -> tuple[Revision, str]:
        """The revision at the last successful apply of the environment's Terraform root of that name, before this run;
        an empty one with the reason where that is not known."""
        ...
