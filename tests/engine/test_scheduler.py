"""Who writes down what others say, and what waits for that."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from lgtm_deploy.core.event import Event, Record, StepProgressed
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.ledger import Ledger
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler
from tests.engine.toys import WatchedJournal, World, wait_until

AT = datetime(2026, 1, 16, tzinfo=UTC)
Body = Callable[[EventRecorder], None]


def said(step: str, message: str = "there") -> Event:
    return StepProgressed(at=AT, step=step, message=message)


class Hooked(WatchedJournal):
    """Calls something before each commit."""

    def __init__(self, before: Callable[[Sequence[Event]], None]) -> None:
        super().__init__(World())
        self._before = before

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        self._before(events)
        return super().append(run, fence, events)

    @property
    def told(self) -> list[str]:
        return [f"{record.event.step} {record.event.message}" for record in self.records("7f3a")]


def drive(journal: WatchedJournal, parallelism: int = 4, light: str = "", **bodies: Body) -> Scheduler[None]:
    return Scheduler(
        ledger=Ledger(Run(id="7f3a"), journal, 1),
        parallelism=parallelism,
        start=lambda name: (said(name, "begins"), bodies[name]),
        end=lambda name, _: (said(name, "ends"), True),
        waits=lambda name: name not in light,
    )


@pytest.mark.timeout(120)
def test_who_swears_does_not_write_for_those_who_go_on_talking() -> None:
    sworn = threading.Event()
    appends: list[int] = []
    journal = Hooked(lambda _: time.sleep(0.01))

    def talk(recorder: EventRecorder) -> None:
        while not sworn.is_set():
            recorder.record(said("a"))
            time.sleep(0.001)

    def swear(recorder: EventRecorder) -> None:
        before = journal.appends
        recorder.record_durably(said("b", "sworn"))
        appends.append(journal.appends - before)
        sworn.set()

    drive(journal, a=talk, b=swear).run({"a": (), "b": ()})

    # The one under way, the one with what it swore, and one that may have begun since.
    assert appends[0] <= 3


@pytest.mark.timeout(120)
def test_what_changes_nothing_begins_while_a_worker_writes_though_all_other_threads_are_busy() -> None:
    begun = threading.Event()

    def stuck(events: Sequence[Event]) -> None:
        if any(event.step == "a" and event.message == "ends" for event in events):
            wait_until(begun.is_set)

    def wait(_recorder: EventRecorder) -> None:
        wait_until(begun.is_set)

    journal = Hooked(stuck)
    drive(journal, parallelism=2, light="abc", a=lambda _: None, b=wait, c=lambda _: begun.set()).run(
        {"a": (), "b": (), "c": ("a",)}
    )

    assert sorted(journal.told) == sorted(f"{name} {what}" for name in "abc" for what in ("begins", "ends"))


@pytest.mark.timeout(120)
def test_what_was_said_before_somebody_crashed_is_written_down() -> None:
    writing, crashed = threading.Event(), threading.Event()

    def stuck(events: Sequence[Event]) -> None:
        if any(event.message == "sworn" for event in events):
            writing.set()
            wait_until(crashed.is_set)

    def swear(recorder: EventRecorder) -> None:
        recorder.record_durably(said("a", "sworn"))

    def end(_recorder: EventRecorder) -> None:
        wait_until(writing.is_set)

    def crash(_recorder: EventRecorder) -> None:
        wait_until(writing.is_set)
        time.sleep(0.05)
        threading.Timer(0.05, crashed.set).start()
        raise ZeroDivisionError

    journal = Hooked(stuck)
    with pytest.raises(ZeroDivisionError):
        drive(journal, a=swear, b=end, c=crash).run({"a": (), "b": (), "c": ()})

    assert "b ends" in journal.told
    assert "c ends" not in journal.told


@pytest.mark.timeout(120)
def test_nothing_held_begins_once_somebody_has_crashed() -> None:
    did: list[str] = []

    def slow(events: Sequence[Event]) -> None:
        if any(event.step == "b" and event.message == "begins" for event in events):
            crash.set()
            time.sleep(0.05)

    crash = threading.Event()

    def crashes(_recorder: EventRecorder) -> None:
        wait_until(crash.is_set)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(Hooked(slow), a=lambda _: None, b=lambda _: did.append("b"), c=crashes).run(
            {"a": (), "b": ("a",), "c": ()}
        )

    assert did == []
