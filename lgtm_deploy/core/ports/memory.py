"""What is remembered, and who may act."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lgtm_deploy.core.event import Event, LockTakenOver, Record


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
class LockHolder:
    """Who holds an environment: which run, for whom, and since when."""

    environment: str
    run: str
    holder: str
    since: datetime
    ends: datetime
    """When its lease is over unless it is renewed."""
    fence: int


@dataclass(frozen=True, kw_only=True)
class Lease:
    """An environment that a run has taken, for so many seconds from when it asked, and from each renewal anew."""

    environment: str
    run: str
    holder: str
    fence: int
    seconds: float
    takeover: LockTakenOver | None = None
    """From whom it was taken that showed no sign of life any more."""


class Journal(Protocol):
    """Remembers every event of every run, in order, for good."""

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Writes the events and returns only when they are on disk (one sync for all of them).

        Raises LockLostError when the run's environment was taken over with a higher fence, and JournalError: a full
        disk, a damaged file. Then none is written; where the store is far away and silent, all or none.
        """

    def records(self, run: str) -> Sequence[Record]:
        """All of a run's records in order; empty when there is no such run."""

    def runs(self, limit: int, environment: str = "") -> Sequence[RunSummary]:
        """The newest runs first, of that environment alone where it is named.

        Of two runs of one environment the newer is the one that began while the other had the lock no more: what their
        machines call the time is not compared.
        """


class Lock(Protocol):
    """Lets one run at a time change an environment."""

    look_seconds: float
    """How often the holder looks whether somebody wishes it to stop, in seconds."""

    def take(self, environment: str, run: str, holder: str) -> Lease:
        """Takes the environment, or raises LockHeldError at once, naming run, holder, since when and until when.

        A holder that is gone, or whose lease has been over for the longest call, is taken over: its journal says so,
        and refuses what it still tries to write.
        """

    def renew(self, lease: Lease) -> None:
        """Lets the lease last its time again. Raises LockLostError when the environment is no longer this lease's."""

    def release(self, lease: Lease) -> None:
        """Gives the environment back; nothing happens when it is not this lease's any more."""

    def holder(self, environment: str) -> LockHolder | None:
        """Who holds the environment; None when nobody does, or when the holder is gone."""

    def break_(self, environment: str, run: str, by: str) -> LockHolder:
        """Takes the environment from that run for nobody; its journal says so. Returns who held it.

        Raises NotFoundError when nobody holds it, and LockHeldError when another run does.
        """

    def cancel(self, environment: str, run: str, by: str) -> LockHolder:
        """Leaves a wish beside the lock that the run which holds it stop. Returns who holds it.

        Raises NotFoundError when nobody does, and LockHeldError when another run does.
        """

    def cancelled(self, lease: Lease) -> str:
        """Who wishes this lease's run to stop; empty while nobody does. One cheap look, `look_seconds` apart."""
