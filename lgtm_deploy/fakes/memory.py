"""Runs remembered and environments locked, for as long as the process lives."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from lgtm_deploy.core.errors import LockHeldError
from lgtm_deploy.core.event import Event, Record, RunFinished, RunResumed, RunStarted
from lgtm_deploy.core.ports import Clock, Holder, RunSummary
from lgtm_deploy.fakes.clock import FakeClock


class FakeJournal:
    """Keeps records in lists."""

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._lock = threading.Lock()

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Adds the events to the run's records."""
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

    def runs(self, limit: int) -> Sequence[RunSummary]:
        """The newest runs first."""
        with self._lock:
            found = [summary for run, kept in self._records.items() if (summary := _summary(run, kept))]
        return tuple(sorted(found, key=lambda summary: summary.started, reverse=True)[:limit])


def _summary(run: str, records: Sequence[Record]) -> RunSummary | None:
    found: RunSummary | None = None
    for event in (record.event for record in records):
        if isinstance(event, RunStarted):
            found = RunSummary(
                run=run,
                plan=event.plan,
                environment=event.environment,
                by=event.by,
                started=event.at,
                finished=None,
                verdict="",
                seconds=0.0,
            )
        elif found and isinstance(event, RunResumed):
            found = replace(found, by=event.by, finished=None, verdict="")
        elif found and isinstance(event, RunFinished):
            found = replace(found, finished=event.at, verdict=event.verdict, seconds=event.seconds)
    return found


class FakeLock:
    """Keeps holders in a dictionary. `clock` says since when."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or FakeClock()
        self._holders: dict[str, Holder] = {}
        self._fence = 0
        self._lock = threading.Lock()

    def take(self, environment: str, run: str, holder: str) -> int:
        """Takes the environment and returns the fencing token. Raises LockHeldError."""
        with self._lock:
            if environment in self._holders:
                held = self._holders[environment]
                raise LockHeldError(
                    f"Environment '{environment}' is locked by run {held.run} "
                    f"(since {held.since:%Y-%m-%d %H:%M} by {held.by}).",
                    resolution=f"Wait for it, or run `lgtm-deploy unlock {environment} --run {held.run}`.",
                )
            self._holders[environment] = Holder(run=run, by=holder, since=self._clock.now())
            self._fence += 1
            return self._fence

    def holder(self, environment: str) -> Holder | None:
        """Who holds the environment now; None when nobody does."""
        with self._lock:
            return self._holders.get(environment)

    def release(self, environment: str, run: str) -> None:
        """Gives the environment back; nothing happens when this run does not hold it."""
        with self._lock:
            held = self._holders.get(environment)
            if held and held.run == run:
                del self._holders[environment]
