"""Which run was stopped on the way, so that no new one begins on what it has left?"""

from datetime import UTC, datetime, timedelta

import pytest

from lgtm_deploy.core.event import (
    Event,
    RollbackStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    StepCompensated,
    StepObserved,
    StepStarted,
    Verdict,
)
from lgtm_deploy.engine.history import unfinished_run
from lgtm_deploy.fakes import FakeJournal

START = datetime(2026, 1, 16, tzinfo=UTC)


def remember(journal: FakeJournal, run: str, minute: int, verdict: Verdict | None, *, acted: bool = True) -> None:
    at = START + timedelta(minutes=minute)
    happened: list[Event] = [
        RunStarted(at=at, plan="p", plan_digest="", stack="lgtm", environment="prod", by="ci", steps={"a": ()}),
        StepStarted(at=at, step="a"),
    ]
    if acted:
        happened.append(StepObserved(at=at, step="a", seen={}, change="turn a"))
    if verdict:
        happened.append(RunFinished(at=at, verdict=verdict, exit_code=1, seconds=1.0, reason=""))
    journal.append(run, minute, happened)


@pytest.mark.parametrize("verdict", [None, "interrupted", "timed-out"])
def test_a_run_that_changed_something_and_was_stopped_or_killed_is_unfinished(verdict: Verdict | None) -> None:
    journal = FakeJournal()
    remember(journal, "7f3a", 1, verdict)

    assert unfinished_run(journal, "prod") == "7f3a"
    assert unfinished_run(journal, "test") == ""


@pytest.mark.parametrize("verdict", ["refused", "unchanged", "rolled-back"])
def test_it_stays_so_when_a_later_one_has_left_everything_as_it_was(verdict: Verdict) -> None:
    journal = FakeJournal()
    remember(journal, "7f3a", 1, "interrupted")
    remember(journal, "91c2", 2, verdict)

    assert unfinished_run(journal, "prod") == "7f3a"


@pytest.mark.parametrize("verdict", ["deployed", "halted", "rollback-failed"])
def test_a_later_one_that_ended_otherwise_has_made_something_else_of_it(verdict: Verdict) -> None:
    journal = FakeJournal()
    remember(journal, "7f3a", 1, "interrupted")
    remember(journal, "91c2", 2, verdict)

    assert unfinished_run(journal, "prod") == ""


def test_one_that_was_stopped_before_it_changed_anything_is_not() -> None:
    journal = FakeJournal()
    remember(journal, "7f3a", 1, "interrupted", acted=False)

    assert unfinished_run(journal, "prod") == ""


def test_one_that_was_stopped_in_the_hooks_of_its_rollback_is() -> None:
    """All its steps are back, and it has still to end."""
    journal = FakeJournal()
    remember(journal, "7f3a", 1, None)
    at = START + timedelta(minutes=2)
    back = [RollbackStarted(at=at, reason="it failed"), StepCompensated(at=at, step="a", seconds=0.1)]
    stopped = RunFinished(at=at, verdict="interrupted", exit_code=130, seconds=1.0, reason="")
    journal.append("7f3a", 1, [*back, stopped])

    assert unfinished_run(journal, "prod") == "7f3a"


@pytest.mark.parametrize("between", [1, 30])
def test_one_that_was_gone_on_with_after_a_later_one_is(between: int) -> None:
    """It was stopped before it changed anything, and killed after that."""
    journal = FakeJournal()
    remember(journal, "7f3a", 1, "interrupted", acted=False)
    for number in range(between):
        remember(journal, f"a{number:03d}", 2 + number, "deployed")
    at = START + timedelta(minutes=100)
    acts = StepObserved(at=at, step="a", seen={}, change="turn a")
    journal.append("7f3a", 100, [RunResumed(at=at, by="ci"), StepStarted(at=at, step="a"), acts])

    # Who looks at all runs for that would look at them all each time.
    assert unfinished_run(journal, "prod") == ("7f3a" if between < 20 else "")
