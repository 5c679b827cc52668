"""When a step is tried again, when it is looked at first, and when it is not."""

import logging
from dataclasses import replace

import pytest

from lgtm_deploy.core.errors import AccessError, DeployError, InDoubtError, PermanentError, RefusedError, TransientError
from lgtm_deploy.core.event import StepFailed, StepInDoubt, StepObserved, StepRetried, StepSucceeded, StepUnchanged
from lgtm_deploy.core.gate import Gate, Open, Shut
from lgtm_deploy.core.plan import RetryPolicy
from lgtm_deploy.fakes.clock import FakeClock
from tests.engine.acting import act
from tests.engine.toys import Doing, LocalToy, Outputs, Stage, Toy, Watch, World, fails, for_ever

THROTTLED = TransientError("Rate exceeded.")
LOST = InDoubtError("The answer was lost.")


def alone(step: Toy | Watch) -> Stage:
    return Stage({step.name: []}, step, world=step.world)


def test_an_error_that_may_pass_is_tried_again_after_a_growing_pause() -> None:
    step = Toy(World(), "a", before=fails(THROTTLED, times=3))
    stage = alone(step)

    run = act(stage)

    retried = [event for event in stage.events if isinstance(event, StepRetried)]
    assert run.verdict == "deployed"
    assert step.applied == run.steps["a"].attempts == 4
    assert [(event.attempt, event.reason) for event in retried] == [(n, "Rate exceeded.") for n in (1, 2, 3)]
    assert all(0.0005 <= event.delay <= 0.002 for event in retried)


def test_a_service_that_is_out_for_half_a_minute_brings_no_run_back() -> None:
    """Of hundreds of calls in a run, one in five failing, some fail four times in a row."""
    policy = RetryPolicy()
    step = Toy(World(), "a", before=fails(THROTTLED, times=policy.attempts - 1))
    stage = alone(step).rewrite("a", retry=replace(policy, first_delay=0.001, longest_delay=0.001))

    assert act(stage).verdict == "deployed"
    pauses = [min(policy.first_delay * 2**number, policy.longest_delay) for number in range(policy.attempts - 1)]
    assert sum(pauses) > 30


def test_attempts_end_where_the_plan_says() -> None:
    step = Toy(World(), "a", before=fails(THROTTLED, times=99))
    stage = alone(step)

    run = act(stage)

    (failed,) = [event for event in stage.events if isinstance(event, StepFailed)]
    assert (failed.attempt, failed.reason, failed.kind, failed.acted) == (4, "Rate exceeded.", "failed", True)
    assert step.applied == 4
    assert run.verdict == "rolled-back"
    assert run.reason == "a: Rate exceeded."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (PermanentError("No such image."), "failed"),
        (AccessError("Denied."), "failed"),
        (RefusedError("No."), "refused"),
    ],
)
def test_an_error_that_cannot_pass_is_not_tried_again(error: DeployError, kind: str) -> None:
    step = Toy(World(), "a", before=fails(error))
    stage = alone(step)

    act(stage)

    (failed,) = [event for event in stage.events if isinstance(event, StepFailed)]
    assert step.applied == 1
    assert (failed.kind, failed.reason) == (kind, str(error))


def test_a_change_whose_answer_was_lost_is_looked_at_and_not_sent_again() -> None:
    step = Toy(World(), "a", after=fails(LOST))
    stage = alone(step)

    run = act(stage)

    assert step.applied == 1
    assert stage.told(StepSucceeded) == ["a"]
    assert run.verdict == "deployed"


def test_a_lost_change_that_had_no_effect_is_sent_again() -> None:
    step = Toy(World(), "a", before=fails(LOST))
    stage = alone(step)

    run = act(stage)

    (retried,) = [event for event in stage.events if isinstance(event, StepRetried)]
    assert step.applied == 2
    assert retried.reason == "The answer was lost. It had no effect."
    assert run.verdict == "deployed"


def test_a_lost_change_that_cannot_be_looked_at_stays_in_doubt() -> None:
    class Blind(Toy):
        def observe(self, inputs):  # type: ignore[no-untyped-def]
            if self.applied:
                raise THROTTLED
            return super().observe(inputs)

    step = Blind(World(), "a", before=fails(LOST))
    stage = alone(step)

    run = act(stage)

    assert step.applied == 1
    assert stage.told(StepInDoubt) == ["a"]
    assert run.verdict == "timed-out"
    assert run.reason == "a: The answer was lost."


def test_a_lost_change_is_looked_at_until_that_can_be_seen() -> None:
    class Blinded(Toy):
        blinks = 2

        def observe(self, inputs):  # type: ignore[no-untyped-def]
            if self.applied and self.blinks:
                self.blinks -= 1
                raise THROTTLED
            return super().observe(inputs)

    step = Blinded(World(), "a", after=fails(LOST))
    stage = alone(step)

    run = act(stage)

    assert step.applied == 1
    assert run.verdict == "deployed"


def test_a_change_that_an_earlier_attempt_made_counts_as_made() -> None:
    step = Toy(World(), "a", after=fails(THROTTLED))
    stage = alone(step)

    run = act(stage)

    assert step.applied == 1
    assert stage.told(StepSucceeded) == ["a"]
    assert stage.told(StepUnchanged) == []
    assert run.steps["a"].acted
    assert run.verdict == "deployed"


def test_what_was_seen_first_is_what_a_rollback_returns_to() -> None:
    world = World()
    half = fails(THROTTLED)

    def halfway(toy: Toy, progress: object) -> None:
        world.state["a"] = "half"
        half(toy, print)

    stage = alone(Toy(world, "a", before=halfway))

    run = act(stage)

    assert [event.seen["state"] for event in stage.events if isinstance(event, StepObserved)] == ["old", "half"]
    assert run.steps["a"].seen == {"state": "old"}


def test_a_step_with_nothing_to_do_changes_nothing_and_gives_its_outputs() -> None:
    world = World()
    world.state["a"] = "new"
    step = Toy(world, "a")
    stage = alone(step)

    run = act(stage)

    assert step.applied == 0
    assert stage.told(StepObserved) == []
    assert run.steps["a"].outputs == {"value": "a"}
    assert run.verdict == "unchanged"


def test_what_touches_only_this_machine_never_counts_as_acting() -> None:
    stage = alone(LocalToy(World(), "a", before=fails(PermanentError("No compiler."))))

    run = act(stage)

    assert run.verdict == "refused"
    assert run.reason == "a: No compiler."
    assert not run.steps["a"].acted


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), KeyError("x")])
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_defect_of_a_step_fails_it_and_says_where(error: BaseException, where: str) -> None:
    around: dict[str, Doing] = {where: fails(error)}
    step = Toy(World(), "a", **around)

    run = act(alone(step))

    assert run.verdict == "rolled-back"
    assert run.reason.startswith(f"a: defect in lgtm-deploy: {type(error).__name__}")
    assert "toys.py:" in run.reason
    assert step.world.state.get("a", "old") == "old"


def late(_toy: Toy, progress: object) -> None:
    assert callable(progress)
    while True:
        progress("working")


def test_a_step_past_its_time_is_stopped_once_and_not_once_per_attempt() -> None:
    step = Toy(World(), "a", before=late)
    stage = alone(step).rewrite("a", timeout=0.02)

    run = act(stage)

    assert step.applied == 1
    assert run.reason == "a: not done after 0.02 s; what was sent has had no effect"
    assert run.verdict == "rolled-back"


def test_a_step_past_its_time_whose_change_is_there_succeeded() -> None:
    step = Toy(World(), "a", after=late)

    assert act(alone(step).rewrite("a", timeout=0.02)).verdict == "deployed"


def test_a_local_step_past_its_time_is_refused() -> None:
    step = LocalToy(World(), "a", before=late)

    run = act(alone(step).rewrite("a", timeout=0.02))

    assert (step.applied, run.verdict, run.reason) == (1, "refused", "a: not done after 0.02 s")


def test_a_gate_past_its_time_says_what_it_waited_for() -> None:
    run = act(alone(Watch(World(), "gate", for_ever)).rewrite("gate", timeout=0.02))

    assert run.reason == "gate: after 0.02 s still: the world to turn"


def test_a_gate_that_shuts_fails_with_its_reason() -> None:
    run = act(alone(Watch(World(), "gate", lambda _: Shut(reason="it crashed", kind="superseded"))))

    assert run.steps["gate"].kind == "superseded"
    assert run.reason == "gate: it crashed"


def test_a_look_that_fails_in_passing_is_forgiven() -> None:
    def judging(looks: int) -> Gate[Outputs]:
        if looks == 1:
            raise THROTTLED
        return Open(outputs=Outputs(value="there"))

    watch = Watch(World(), "gate", judging)
    stage = alone(watch).rewrite("gate", timeout=0.5)
    # Time stands still: however late it looks again, the gate's time is not over.
    stage.job = replace(stage.job, clock=FakeClock())

    assert act(stage).verdict == "unchanged"
    assert watch.looks == 2


@pytest.mark.parametrize("error", [PermanentError("It broke."), ValueError("a defect")])
def test_why_a_step_failed_is_logged_with_its_traceback(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="lgtm_deploy")
    world = World()
    act(Stage({"a": []}, Toy(world, "a", before=fails(error)), world=world))

    [record] = [each for each in caplog.records if each.message == "Toy failed"]
    assert record.exc_info is not None
    assert record.exc_info[1] is error
