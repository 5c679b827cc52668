"""Which chain of steps decided how long a run took."""

from datetime import UTC, datetime, timedelta

import pytest

from lgtm_deploy.core.critical_path import critical_path
from lgtm_deploy.core.event import Event, RunFinished, RunStarted, StepFailed, StepStarted, StepSucceeded
from lgtm_deploy.core.run import Run

START = datetime(2026, 1, 16, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def run(needs: dict[str, tuple[str, ...]], *happened: Event) -> Run:
    started = RunStarted(at=START, plan="p", plan_digest="d", stack="s", environment="e", by="b", steps=needs)
    return Run(id="7f3a").folded([started, *happened])


def step(name: str, began: float, ended: float, since: float | None = None) -> list[Event]:
    return [
        StepStarted(at=at(began), step=name),
        StepSucceeded(
            at=at(ended),
            step=name,
            attempt=1,
            seconds=ended - began,
            outputs={},
            since=None if since is None else at(since),
        ),
    ]


def finished(seconds: float) -> Event:
    return RunFinished(at=at(seconds), verdict="deployed", exit_code=0, seconds=seconds, reason="")


def test_the_longest_chain_by_work_is_found() -> None:
    needs = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    path = critical_path(
        run(needs, *step("a", 0, 1), *step("b", 1, 6), *step("c", 1, 3), *step("d", 6, 7), finished(7))
    )

    assert [link.step for link in path.links] == ["a", "b", "d"]
    assert path.seconds == 7
    assert path.ratio == 1
    assert path.idle == 0


def test_time_after_the_world_had_changed_is_late_and_not_work() -> None:
    path = critical_path(run({"wait": ()}, *step("wait", 0, 10, since=8), finished(10)))

    assert (path.seconds, path.late, path.ratio) == (8, 2, pytest.approx(1.25))


def test_a_world_that_had_changed_before_the_step_began_made_no_work() -> None:
    path = critical_path(run({"a": (), "wait": ("a",)}, *step("a", 0, 5), *step("wait", 5, 6, since=2), finished(6)))

    assert [(link.work, link.late) for link in path.links] == [(5, 0), (0, 1)]


def test_time_without_any_step_is_idle() -> None:
    path = critical_path(
        run({"a": (), "b": ("a",), "c": ()}, *step("a", 1, 3), *step("c", 2, 4), *step("b", 6, 7), finished(8))
    )

    assert path.idle == 1 + 2 + 1
    assert path.wall == 8


def test_a_failed_step_counts_and_one_that_never_ran_does_not() -> None:
    failed = StepFailed(at=at(4), step="b", attempt=1, seconds=3, reason="r", kind="failed", acted=False)
    needs: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("b",)}
    path = critical_path(run(needs, *step("a", 0, 1), StepStarted(at=at(1), step="b"), failed))

    assert [link.step for link in path.links] == ["a", "b"]
    assert path.wall == 4


def test_a_run_of_which_nothing_is_known_has_no_path() -> None:
    path = critical_path(Run(id="7f3a"))

    assert (path.links, path.wall, path.idle, path.ratio) == ((), 0, 0, None)


def test_steps_that_need_each_other_do_not_hang_it() -> None:
    path = critical_path(run({"a": ("b",), "b": ("a",)}, *step("a", 0, 1), *step("b", 1, 2)))

    assert [link.step for link in path.links] == ["a", "b"]


def test_a_chain_of_many_steps_is_followed_to_its_end() -> None:
    needs: dict[str, tuple[str, ...]] = {str(i): (str(i - 1),) if i else () for i in range(1500)}
    happened = [event for i in range(1500) for event in step(str(i), i, i + 1)]

    assert len(critical_path(run(needs, *happened)).links) == 1500
