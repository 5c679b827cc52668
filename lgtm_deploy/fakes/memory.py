"""Runs remembered and environments locked, for as long as the process lives."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain

from lgtm_deploy.core import lease as leases
from lgtm_deploy.core.event import Event, LockTakenOver, Record, RunStarted
from lgtm_deploy.core.ports import Clock, Lease, LockHolder, RunSummary
from lgtm_deploy.core.summary import summarised
from lgtm_deploy.fakes.clock import FakeClock


class FakeJournal:
    """Keeps records in lists. `fences` are the highest numbers that a FakeLock has handed out, by environment."""

    def __init__(self) -> None:
        self.fences: dict[str, int] = {}
        self._records: dict[str, list[Record]] = {}
        self._lock = threading.RLock()

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Adds the events to the run's records. Raises LockLostError."""
        with self._lock:
            kept = self._records.get(run, [])
            environment = _environment(chain((record.event for record in kept), events))
            if fence < self.fences.get(environment, 0):
                raise leases.lost(environment, run)
            return self.write(run, fence, events)

    def write(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Adds the events whatever the fence."""
        with self._lock:
            kept = self._records.setdefault(run, []) if events else []
            first = len(kept) + 1
            new = [Record(seq=first + index, run=run, fence=fence, event=event) for index, event in enumerate(events)]
            kept.extend(new)
            return tuple(new)

    def records(self, run: str) -> Sequence[Record]:
        """All of a run's records in order; empty when there is no such run."""
        with self._lock:
            return tuple(self._records.get(run, ()))

    def runs(self, limit: int, environment: str = "") -> Sequence[RunSummary]:
        """The newest runs first, of that environment alone where it is named."""
        with self._lock:
            found = [
                summary
                for run, kept in reversed(self._records.items())
                if (summary := summarised(None, run, (record.event for record in kept)))
                and environment in ("", summary.environment)
            ]
        return tuple(found[:limit])


def _environment(happened: Iterable[Event]) -> str:
    return next((event.environment for event in happened if isinstance(event, RunStarted)), "")


@dataclass(frozen=True, kw_only=True)
class _Held:
    holder: LockHolder
    renewed: float


class FakeLock:
    """Keeps holders in a dictionary; time is the `clock`'s, and takeovers are told to the `journal`."""

    look_seconds = 1.0

    def __init__(
        self,
        clock: Clock | None = None,
        journal: FakeJournal | None = None,
        *,
        seconds: float = leases.LEASE_SECONDS,
        grace: float = leases.CALL_SECONDS,
    ) -> None:
        self._clock = clock or FakeClock()
        self._journal = journal or FakeJournal()
        self._seconds = seconds
        self._grace = grace
        self._held: dict[str, _Held] = {}
        self._wishes: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()

    def take(self, environment: str, run: str, holder: str) -> Lease:
        """Takes the environment, from a holder whose lease is over if need be. Raises LockHeldError."""
        with self._lock:
            held = self._held.get(environment)
            now = self._clock.monotonic()
            if held and now < held.renewed + self._seconds + self._grace:
                raise leases.refusal(held.holder, self._clock.now(), grace=self._grace)
            fence = self._next(environment)
            taken = LockHolder(
                environment=environment,
                run=run,
                holder=holder,
                since=self._clock.now(),
                ends=self._clock.now() + timedelta(seconds=self._seconds),
                fence=fence,
            )
            self._held[environment] = _Held(holder=taken, renewed=now)
            takeover = self._tell(held.holder, fence, run, holder, leases.OVER) if held else None
            return Lease(
                environment=environment,
                run=run,
                holder=holder,
                fence=fence,
                seconds=self._seconds,
                takeover=takeover,
            )

    def renew(self, lease: Lease) -> None:
        """Lets the lease last its time again. Raises LockLostError."""
        with self._lock:
            held = self._of(lease)
            if held is None:
                now = self._held.get(lease.environment)
                raise leases.lost(lease.environment, lease.run, now.holder.run if now else "")
            ends = self._clock.now() + timedelta(seconds=self._seconds)
            self._held[lease.environment] = _Held(
                holder=replace(held.holder, ends=ends), renewed=self._clock.monotonic()
            )

    def release(self, lease: Lease) -> None:
        """Gives the environment back; nothing happens when it is not this lease's any more."""
        with self._lock:
            if self._of(lease):
                del self._held[lease.environment]

    def holder(self, environment: str) -> LockHolder | None:
        """Who holds the environment."""
        with self._lock:
            held = self._held.get(environment)
            return held.holder if held else None

    def break_(self, environment: str, run: str, by: str) -> LockHolder:
        """Takes the environment from that run for nobody. Raises NotFoundError and LockHeldError."""
        with self._lock:
            held = self._held.get(environment)
            if held is None:
                raise leases.nobody(environment)
            if held.holder.run != run:
                raise leases.other_run(held.holder, run)
            del self._held[environment]
            self._tell(held.holder, self._next(environment), "", by, f"unlocked by {by}")
            return held.holder

    def cancel(self, environment: str, run: str, by: str) -> LockHolder:
        """Leaves a wish that the run stop. Raises NotFoundError and LockHeldError."""
        with self._lock:
            held = self._held.get(environment)
            if held is None:
                raise leases.nobody(environment)
            if held.holder.run != run:
                raise leases.other_run(held.holder, run)
            self._wishes[environment, held.holder.fence] = by
            return held.holder

    def cancelled(self, lease: Lease) -> str:
        """Who wishes this lease's run to stop."""
        with self._lock:
            return self._wishes.get((lease.environment, lease.fence), "")

    def _of(self, lease: Lease) -> _Held | None:
        held = self._held.get(lease.environment)
        return held if held and held.holder.fence == lease.fence else None

    def _next(self, environment: str) -> int:
        self._journal.fences[environment] = self._journal.fences.get(environment, 0) + 1
        return self._journal.fences[environment]

    def _tell(self, held: LockHolder, fence: int, run: str, holder: str, reason: str) -> LockTakenOver:
        told = leases.takeover(held, at=self._clock.now(), fence=fence, run=run, holder=holder, reason=reason)
        self._journal.write(held.run, fence, [told])
        return told
