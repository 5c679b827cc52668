"""What is known of a run after each event."""

import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event
from lgtm_deploy.core.run import Run

START = datetime(2026, 1, 16, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def started(**changes: Any) -> Event:
    known = {"plan": "p", "plan_digest": "d", "stack": "lgtm", "environment": "prod", "by": "me"}
    return events.RunStarted(at=at(0), **{"steps": {"a": (), "b": ("a",)}} | known | changes)


def after(*happened: Event) -> Run:
    return Run(id="7f3a").folded([started(), *happened])


def a(happened: type[Event], when: float = 1, /, **fields: Any) -> Event:
    return happened(at=at(when), step="a", **fields)


BEGUN = a(events.StepStarted, inputs={"service": "tempo"})
SEEN = a(events.StepObserved, seen={"digest": "old"}, change="deploy tempo")
SUCCEEDED = a(events.StepSucceeded, 3, attempt=1, seconds=2.0, outputs={"x": 1}, since=at(2))
FAILED = a(events.StepFailed, 3, attempt=1, seconds=2.0, reason="it broke", kind="refused", acted=True)


def test_a_run_begins_with_all_its_steps_waiting() -> None:
    run = after()

    assert (run.id, run.plan, run.plan_digest, run.stack, run.environment, run.by) == (
        "7f3a",
        "p",
        "d",
        "lgtm",
        "prod",
        "me",
    )
    assert run.started == at(0)
    assert {step.id: (step.needs, step.status) for step in run.steps.values()} == {
        "a": ((), "waiting"),
        "b": (("a",), "waiting"),
    }


def test_a_started_step_runs_its_first_attempt() -> None:
    step = after(BEGUN).steps["a"]

    assert (step.status, step.started, step.attempts, step.inputs) == ("running", at(1), 1, {"service": "tempo"})
    assert step.seen is None
    assert not step.acted


def test_a_step_that_is_about_to_change_something_counts_as_having_acted() -> None:
    step = after(BEGUN, SEEN).steps["a"]

    assert (step.seen, step.change, step.acted) == ({"digest": "old"}, "deploy tempo", True)


def test_the_first_look_is_kept() -> None:
    again = a(events.StepObserved, 2, seen={"digest": "new"}, change="deploy tempo")

    assert after(BEGUN, SEEN, again).steps["a"].seen == {"digest": "old"}


def test_progress_and_retries_are_what_it_says_until_it_ends() -> None:
    told = after(BEGUN, a(events.StepProgressed, message="1/2 tasks"))
    again = told.folded([a(events.StepRetried, attempt=1, reason="throttled", delay=0.5)])

    assert told.steps["a"].message == "1/2 tasks"
    assert (again.steps["a"].message, again.steps["a"].attempts) == ("throttled", 2)
    assert again.folded([SUCCEEDED]).steps["a"].message == ""


def test_success_has_outputs_and_a_place_in_the_order_of_completion() -> None:
    b = events.StepUnchanged(at=at(5), step="b", seconds=0.5, outputs={"y": 2})
    run = after(BEGUN, SEEN, SUCCEEDED, b)

    step = run.steps["a"]
    assert (step.status, step.outputs, step.seconds, step.finished) == ("succeeded", {"x": 1}, 2.0, at(3))
    assert (step.since, step.order, step.acted) == (at(2), 1, True)
    assert (run.steps["b"].status, run.steps["b"].order, run.steps["b"].acted) == ("unchanged", 2, False)
    assert run.completed == 2


def test_a_failure_keeps_how_and_why_even_when_it_is_undone() -> None:
    undone = after(
        BEGUN, SEEN, FAILED, a(events.StepProgressed, message="undoing"), a(events.StepCompensated, seconds=1)
    )

    step = undone.steps["a"]
    assert (step.status, step.kind, step.reason, step.acted) == ("compensated", "refused", "it broke", False)
    assert after(BEGUN, FAILED).steps["a"].message == "it broke"


def test_a_step_that_is_taken_up_again_keeps_its_start_and_forgets_its_failure() -> None:
    again = events.StepStarted(at=at(9), step="a")
    run = after(BEGUN, FAILED, events.RunResumed(at=at(8), by="you"), again, SUCCEEDED)

    step = run.steps["a"]
    assert (step.started, step.kind, step.reason, step.status) == (at(1), "", "", "succeeded")
    assert run.by == "you"


def test_doubt_counts_as_having_acted() -> None:
    step = after(BEGUN, a(events.StepInDoubt, attempt=1, seconds=1.0, reason="lost")).steps["a"]

    assert (step.status, step.acted, step.reason) == ("in-doubt", True, "lost")


def test_a_skipped_step_says_why() -> None:
    step = after(a(events.StepSkipped, reason="the run ended before it")).steps["a"]

    assert (step.status, step.message, step.order) == ("skipped", "the run ended before it", 0)


def test_a_rollback_is_known_from_its_start_to_what_differs() -> None:
    going_back = after(BEGUN, SEEN, FAILED, events.RollbackStarted(at=at(4), reason="a: it broke"))
    stuck = going_back.folded([a(events.CompensationFailed, seconds=1.0, reason="stuck")])
    ended = stuck.folded([events.RollbackFinished(at=at(6), differs=("a: stuck",))])

    assert (going_back.rolling_back, going_back.reason) == (True, "a: it broke")
    assert (stuck.steps["a"].status, stuck.steps["a"].acted) == ("not-compensated", True)
    assert ended.differs == ("a: stuck",)
    assert ended.rolling_back, "killed before it has its verdict it must not go forwards again"
    done = events.RunFinished(at=at(7), verdict="rollback-failed", exit_code=3, seconds=7.0, reason="")
    assert not ended.folded([done]).rolling_back


def test_a_step_that_is_left_as_is_has_nothing_more_to_undo() -> None:
    left = a(events.StepLeftAsIs, seconds=1.0, remains="tempo:v1 remains")
    run = after(BEGUN, SEEN, SUCCEEDED, events.RollbackStarted(at=at(4), reason="b failed"), left)

    step = run.steps["a"]
    assert (step.status, step.acted, step.remains) == ("left-as-is", False, "tempo:v1 remains")


def test_the_end_has_a_verdict_and_hooks_are_kept() -> None:
    hook = events.HookFinished(at=at(7), hook="failed: say", exit_code=1, seconds=0.1)
    end = events.RunFinished(at=at(8), verdict="rolled-back", exit_code=1, seconds=8.0, reason="a: it broke")
    run = after(hook, end)

    assert (run.verdict, run.finished, run.seconds, run.reason) == ("rolled-back", at(8), 8.0, "a: it broke")
    assert run.hooks == (hook,)
    assert run.folded([events.RunResumed(at=at(9), by="you")]).verdict is None


def test_events_that_change_nothing_known_are_let_by() -> None:
    taken = events.LockTaken(at=at(1), environment="prod", fence=3)

    assert after(taken) == after()


def test_every_event_can_be_folded_for_a_step_that_was_never_announced() -> None:
    assert Run(id="x").folded([BEGUN, SEEN, SUCCEEDED]).steps["a"].status == "succeeded"


def memory_of_an_event(steps: int) -> int:
    """How many bytes it takes to note one step's end in a run of so many steps."""
    names = [f"s{each}" for each in range(steps)]
    run = Run(id="7f3a").folded([started(steps=dict.fromkeys(names, ()))])
    ended = events.StepUnchanged(at=at(1), step=names[steps // 2], seconds=0.0, outputs={})
    run.folded([ended])
    tracemalloc.start()
    try:
        run.folded([ended])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_event_of_a_large_run_costs_what_one_of_a_small_run_costs() -> None:
    assert memory_of_an_event(8_000) < memory_of_an_event(2_000) * 1.2
