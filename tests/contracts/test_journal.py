"""What every journal promises."""

from datetime import UTC, datetime, timedelta

import pytest

from lgtm_deploy.core.event import (
    Event,
    RunFinished,
    RunResumed,
    RunStarted,
    StepObserved,
    StepStarted,
    StepSucceeded,
)
from lgtm_deploy.core.ports import Journal
from lgtm_deploy.engine.history import unfinished_run
from tests.contracts.memories import Memory

START = datetime(2026, 1, 16, 0, 15, tzinfo=UTC)


def started(minutes: int = 0, by: str = "ci@runner-4", environment: str = "prod") -> RunStarted:
    return RunStarted(
        at=START + timedelta(minutes=minutes),
        plan="prefix-change",
        plan_digest="ab" * 32,
        stack="lgtm",
        environment=environment,
        by=by,
        steps={"push[tempo]": (), "deploy[tempo]": ("push[tempo]",)},
    )


def finished(minutes: int = 1) -> RunFinished:
    at = START + timedelta(minutes=minutes)
    return RunFinished(at=at, verdict="deployed", exit_code=0, seconds=60.0, reason="every step is done and verified")


@pytest.fixture
def journal(memory: Memory) -> Journal:
    return memory.journal


def test_an_unknown_run_has_no_records(journal: Journal) -> None:
    assert list(journal.records("nothing")) == []
    assert list(journal.runs(10)) == []


def test_records_come_back_as_they_were_written(journal: Journal) -> None:
    events: list[Event] = [
        started(),
        StepStarted(at=START, step="push[tempo]", inputs={"tag": "…", "nested": {"a": [1, 2.5, None, True]}}),
        StepObserved(at=START, step="push[tempo]", seen={"digest": None}, change="push"),
        StepSucceeded(at=START, step="push[tempo]", attempt=1, seconds=1.5, outputs={"d": "sha256:1"}, since=START),
    ]

    written = journal.append("7f3a", 3, events)

    assert [record.event for record in written] == events
    assert list(journal.records("7f3a")) == list(written)
    assert {record.fence for record in written} == {3}


def test_numbers_of_a_run_start_at_one_and_have_no_gaps(journal: Journal) -> None:
    first = journal.append("7f3a", 1, [started()])
    other = journal.append("91c2", 1, [started(), finished()])
    second = journal.append("7f3a", 2, [finished(), finished()])

    assert [record.seq for record in (*first, *second)] == [1, 2, 3]
    assert [record.seq for record in other] == [1, 2]
    assert [record.seq for record in journal.records("7f3a")] == [1, 2, 3]


def test_appending_nothing_writes_nothing(journal: Journal) -> None:
    assert list(journal.append("7f3a", 1, [])) == []
    assert list(journal.records("7f3a")) == []


def test_runs_are_listed_newest_first_and_no_more_than_asked_for(journal: Journal) -> None:
    for number in range(4):
        journal.append(f"run{number}", 1, [started(number)])

    assert [each.run for each in journal.runs(3)] == ["run3", "run2", "run1"]
    assert list(journal.runs(0)) == []


def test_a_run_is_listed_with_its_verdict_once_it_has_one(journal: Journal) -> None:
    journal.append("7f3a", 1, [started()])
    (running,) = journal.runs(10)
    journal.append("7f3a", 1, [finished()])
    (done,) = journal.runs(10)

    assert (running.plan, running.environment, running.by) == ("prefix-change", "prod", "ci@runner-4")
    assert (running.started, running.finished, running.verdict) == (START, None, "")
    assert (done.finished, done.verdict, done.seconds) == (START + timedelta(minutes=1), "deployed", 60.0)


def test_a_resumed_run_is_open_again(journal: Journal) -> None:
    journal.append("7f3a", 1, [started(), finished()])
    journal.append("7f3a", 2, [RunResumed(at=START + timedelta(hours=1), by="ada@laptop")])

    (summary,) = journal.runs(10)

    assert (summary.verdict, summary.finished, summary.by) == ("", None, "ada@laptop")


def test_runs_of_one_environment_are_listed_alone(journal: Journal) -> None:
    for number, environment in enumerate(["prod", "staging", "prod", "staging", "prod"]):
        journal.append(f"run{number}", 1, [started(number, environment=environment)])

    assert [each.run for each in journal.runs(10, "prod")] == ["run4", "run2", "run0"]
    assert [each.run for each in journal.runs(1, "staging")] == ["run3"]
    assert list(journal.runs(10, "elsewhere")) == []


def test_the_newest_run_is_the_one_that_began_last_whatever_the_clocks_say(memory: Memory) -> None:
    lease = memory.lock.take("prod", "fast", "ci@fast-clock")
    memory.journal.append("fast", lease.fence, [started(10), finished(11)])
    memory.lock.release(lease)
    lease = memory.other.take("prod", "right", "ci@right-clock")
    memory.elsewhere.append("right", lease.fence, [started(1)])
    memory.other.release(lease)

    assert [each.run for each in memory.journal.runs(10, "prod")] == ["right", "fast"]
    assert [each.run for each in memory.elsewhere.runs(1)] == ["right"]

    memory.elsewhere.append("right", lease.fence, [finished(2)])
    assert [(each.started, each.verdict) for each in memory.journal.runs(1)] == [
        (START + timedelta(minutes=1), "deployed")
    ]
    assert unfinished_run(memory.journal, "prod") == ""


def test_who_died_on_the_way_is_found_behind_a_clock_that_is_fast(memory: Memory) -> None:
    changed = [
        StepStarted(at=START, step="push[tempo]"),
        StepObserved(at=START, step="push[tempo]", seen={}, change="push"),
    ]
    memory.journal.append("fast", 1, [started(10), *changed, finished(11)])
    memory.elsewhere.append("right", 1, [started(1), *changed])

    assert unfinished_run(memory.journal, "prod") == "right"


def test_what_one_wrote_another_reads_and_goes_on_with(memory: Memory) -> None:
    memory.journal.append("7f3a", 1, [started(), StepStarted(at=START, step="push[tempo]")])
    memory.elsewhere.append("7f3a", 2, [RunResumed(at=START, by="ada@laptop")])
    memory.elsewhere.append("7f3a", 2, [finished()])

    read = memory.journal.records("7f3a")

    assert [(record.seq, record.fence) for record in read] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert memory.journal.runs(1)[0].verdict == "deployed"


def test_writers_that_take_turns_leave_no_gap_and_no_record_twice(memory: Memory) -> None:
    written = []
    for number in range(6):
        journal = (memory.journal, memory.elsewhere)[number % 2]
        written += journal.append("7f3a", 1, [started()] if number == 0 else [finished(number), finished(number)])

    assert [record.seq for record in written] == list(range(1, 12))
    assert list(memory.elsewhere.records("7f3a")) == written
