"""What is remembered, and who may act."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lgtm_deploy.core.event import Event, Record


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One line of the list of runs."""

    run: str
    plan: str
    environment: str
    by: str
    started: datetime
    finished: datetime | None
    verdict: str
    """Empty while the run has none."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds an environment: which run, started by whom, since when."""

    run: str
    by: str
    since: datetime


class Journal(Protocol):
    """Remembers every event of every run, in order, for good."""

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Writes the events and returns only when they are on disk (one sync for all of them).

        Raises JournalError: a full disk, a damaged file.
        """
        ...

    def records(self, run: str) -> Sequence[Record]:
        """All of a run's records in order; empty when there is no such run."""
        ...

    def runs(self, limit: int) -> Sequence[RunSummary]:
        """The newest runs first."""
        ...


class Lock(Protocol):
    """Lets one run at a time change an environment."""

    def take(self, environment: str, run: str, holder: str) -> int:
        """Takes the environment and returns the fencing token. Raises LockHeldError, naming holder, run and since."""
        ...

    def holder(self, environment: str) -> Holder | None:
        """Who holds the environment now; None when nobody does."""
        ...

    def release(self, environment: str, run: str) -> None:
        """Gives the environment back; nothing happens when this run does not hold it."""
        ...
