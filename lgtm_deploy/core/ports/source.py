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

    def commits(self, paths: Sequence[Path], limit: int) -> Sequence[str]:
        """Return at most `limit` commits that changed those files or folders, from HEAD back, the newest first.

        Empty without version control. Never raises.
        """

    def is_shallow(self) -> bool:
        """Whether the repository has its newest commits only. Never raises."""

    def checkout(self, commit: str, into: Path) -> AbstractContextManager[Callable[[Path], Path]]:
        """That commit in the folder `into`, which is removed in the end: gives where a path of the stack is in it.

        Nothing that the repository asks to run is run. Raises PermanentError: no such commit, or no such path in it.
        """


class Applied(Protocol):
    """What earlier runs have applied."""

    def last(self, root: str) -> tuple[Revision, str]:
        """The revision at the last successful apply of the environment's Terraform root of that name, before this run;
        an empty one with the reason where that is not known."""


@dataclass(frozen=True, kw_only=True)
class KeptFiles:
    """The files of a root as they were applied: their digest, and when that was (ISO 8601, UTC)."""

    digest: str
    at: str


class AppliedFiles(Protocol):
    """The files of Terraform roots, kept on this machine when they are applied."""

    def keep(self, root: str, sources: Sequence[Path]) -> None:
        """Keep those files and folders as the ones that the root was applied from. Raises OSError."""

    def runs(self, root: str, digest: str) -> None:
        """Note that the root runs these kept files now: they are kept longer than all older ones. Raises OSError."""

    def kept(self, root: str) -> Sequence[KeptFiles]:
        """Return what is kept of the root: what was applied, or found to run, last is the first."""

    def laid_out(self, root: str, digest: str, into: Path) -> AbstractContextManager[Callable[[Path], Path]]:
        """Copy kept files into the folder `into`, which is removed in the end: gives where a path of the stack is in
        it. Raises PermanentError: they are not kept any more, or the path is not among them."""
