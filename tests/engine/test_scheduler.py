"""When the scheduler commits, and which jobs wait for that."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from lgtm_deploy.core.event import Event, Record, StepProgressed
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler
from tests.engine.toys import WatchedJournal, World, wait_until

AT = datetime(2026, 1, 16, tzinfo=UTC)
Body = Callable[[EventRecorder], None]


def event(step: str, message: str = "there") -> Event:
    return StepProgressed(at=AT, step=step, message=message)


class HookedJournal(WatchedJournal):
    """Calls a function before each commit."""

    def __init__(self, before: Callable[[Sequence[Event]], None]) -> None:
        super().__init__(World())
        self._before = before

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        self._before(events)
        return super().append(run, fence, events)

    @property
    def messages(self) -> list[str]:
        return [f"{record.event.step} {record.event.message}" for record in self.records("7f3a")]


def scheduler(journal: WatchedJournal, parallelism: int = 4, local: str = "", **bodies: Body) -> Scheduler[None]:
    return Scheduler(
        writer=JournalWriter(Run(id="7f3a"), journal, 1),
        parallelism=parallelism,
        start=lambda name: (event(name, "starts"), bodies[name]),
        end=lambda name, _: (event(name, "ends"), True),
        waits=lambda name: name not in local,
    )


@pytest.mark.timeout(120)
def test_record_durably_returns_soon_though_another_job_records_all_the_time() -> None:
    durable = threading.Event()
    appends: list[int] = []
    journal = HookedJournal(lambda _: time.sleep(0.01))

    def record_often(recorder: EventRecorder) -> None:
        while not durable.is_set():
            recorder.record(event("a"))
            time.sleep(0.001)

    def record_durably(recorder: EventRecorder) -> None:
        before = journal.appends
        recorder.record_durably(event("b", "durable"))
        appends.append(journal.appends - before)
        durable.set()

    scheduler(journal, a=record_often, b=record_durably).run({"a": (), "b": ()})

    # The commit under way, the one with this event, and one that may have started since.
    assert appends[0] <= 3


@pytest.mark.timeout(120)
def test_a_job_that_does_not_wait_starts_during_a_commit() -> None:
    started = threading.Event()

    def wait_for(events: Sequence[Event]) -> None:
        if any(event.step == "a" and event.message == "ends" for event in events):
            wait_until(started.is_set)

    def wait(_recorder: EventRecorder) -> None:
        wait_until(started.is_set)

    journal = HookedJournal(wait_for)
    scheduler(journal, parallelism=2, local="abc", a=lambda _: None, b=wait, c=lambda _: started.set()).run(
        {"a": (), "b": (), "c": ("a",)}
    )

    assert sorted(journal.messages) == sorted(f"{name} {what}" for name in "abc" for what in ("starts", "ends"))


@pytest.mark.timeout(120)
def test_an_end_before_the_crash_of_another_job_is_written() -> None:
    writing, crashed = threading.Event(), threading.Event()

    def wait_for(events: Sequence[Event]) -> None:
        if any(event.message == "durable" for event in events):
            writing.set()
            wait_until(crashed.is_set)

    def record_durably(recorder: EventRecorder) -> None:
        recorder.record_durably(event("a", "durable"))

    def end(_recorder: EventRecorder) -> None:
        wait_until(writing.is_set)

    def crash(_recorder: EventRecorder) -> None:
        wait_until(writing.is_set)
        time.sleep(0.05)
        threading.Timer(0.05, crashed.set).start()
        raise ZeroDivisionError

    journal = HookedJournal(wait_for)
    with pytest.raises(ZeroDivisionError):
        scheduler(journal, a=record_durably, b=end, c=crash).run({"a": (), "b": (), "c": ()})

    assert "b ends" in journal.messages
    assert "c ends" not in journal.messages


@pytest.mark.timeout(120)
def test_a_job_whose_start_is_on_disk_does_not_start_after_a_crash() -> None:
    did: list[str] = []

    def slow(events: Sequence[Event]) -> None:
        if any(event.step == "b" and event.message == "starts" for event in events):
            crash.set()
            time.sleep(0.05)

    crash = threading.Event()

    def crashes(_recorder: EventRecorder) -> None:
        wait_until(crash.is_set)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scheduler(HookedJournal(slow), a=lambda _: None, b=lambda _: did.append("b"), c=crashes).run(
            {"a": (), "b": ("a",), "c": ()}
        )

    assert did == []
