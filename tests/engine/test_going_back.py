"""What is undone after a failure, in which order, and what is said when it is not."""

from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgtm_deploy.core.errors import InDoubtError, PermanentError, TransientError
from lgtm_deploy.core.event import (
    CompensationFailed,
    Event,
    RollbackFinished,
    RollbackStarted,
    RunFinished,
    StepCompensated,
    StepFailed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from lgtm_deploy.core.gate import Gate, Open, Shut, Waiting
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.engine import rollback
from tests.engine.acting import act
from tests.engine.toys import Doing, Inputs, LocalToy, Seen, Stage, Toy, Watch, World, fails, for_ever, nothing, until

BROKEN = PermanentError("It broke.")


def test_exactly_what_acted_is_undone_last_first() -> None:
    world = World()
    world.state["idle"] = "new"
    steps: list[Toy | Watch] = [
        LocalToy(world, "local"),
        Toy(world, "idle"),
        Toy(world, "a"),
        Toy(world, "b"),
        Watch(world, "gate"),
        Toy(world, "broken", before=fails(BROKEN)),
        Toy(world, "never"),
    ]
    names = [step.name for step in steps]
    chain = {name: names[:position][-1:] for position, name in enumerate(names)}
    stage = Stage(chain, *steps, world=world)

    run = act(stage)

    assert world.what_was("undo") == ["b", "a"], "the broken one had changed nothing"
    assert stage.told(StepCompensated) == ["broken", "b", "a"]
    assert stage.told(StepSkipped) == ["never"]
    assert world.state == {"local": "new", "idle": "new", "a": "old", "b": "old"}
    assert (run.verdict, run.reason) == ("rolled-back", "broken: It broke.")
    assert run.steps["broken"].kind == "failed"


def test_an_undoing_whose_answer_was_lost_is_looked_at_and_sent_again_where_it_had_no_effect() -> None:
    lost = InDoubtError("The answer was lost.")

    class Heard(Toy):
        def compensate(self, inputs, seen, progress):  # type: ignore[no-untyped-def]
            super().compensate(inputs, seen, progress)
            raise lost

    world = World()
    unheard = Toy(world, "unheard", undo=fails(lost))
    broken = Toy(world, "broken", before=fails(BROKEN))
    stage = Stage(
        {"heard": [], "unheard": ["heard"], "broken": ["unheard"]}, Heard(world, "heard"), unheard, broken, world=world
    )

    run = act(stage)

    assert world.what_was("undo") == ["unheard", "unheard", "heard"]
    assert (run.verdict, run.differs) == ("rolled-back", ())


def test_independent_chains_are_undone_each_in_its_own_order() -> None:
    world = World()
    steps = [Toy(world, name) for name in ("a1", "a2", "b1", "b2", "shared")]
    broken = Toy(world, "broken", before=fails(BROKEN))
    needs = {
        "a1": [],
        "a2": ["a1"],
        "b1": [],
        "b2": ["b1"],
        "shared": ["a2", "b2"],
        "broken": ["shared"],
    }
    stage = Stage(needs, *steps, broken, world=world)

    act(stage)

    undone = world.what_was("undo")
    assert undone[0] == "shared"
    assert undone.index("a2") < undone.index("a1")
    assert undone.index("b2") < undone.index("b1")


def test_the_order_is_kept_across_steps_that_only_look() -> None:
    world = World()
    steps: list[Toy | Watch] = [
        Toy(world, "a"),
        Watch(world, "gate"),
        Toy(world, "b"),
        Toy(world, "broken", before=fails(BROKEN)),
    ]
    stage = Stage({"a": [], "gate": ["a"], "b": ["gate"], "broken": ["b"]}, *steps, world=world)

    act(stage)

    assert world.what_was("undo") == ["b", "a"]


def test_a_compensation_is_on_disk_before_the_next_one_begins() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, Toy(world, "c", before=fails(BROKEN)), world=world)

    act(stage)

    log = world.log
    assert log.index("RollbackStarted") < log.index("undo b")
    assert log.index("StepCompensated b") < log.index("undo a")
    assert log.index("StepCompensated a") < log.index("RollbackFinished") < log.index("RunFinished")


def test_a_step_that_failed_half_way_is_undone_too() -> None:
    world = World()
    stage = Stage({"a": []}, Toy(world, "a", after=fails(BROKEN)), world=world)

    run = act(stage)

    assert world.what_was("undo") == ["a"]
    assert world.state["a"] == "old"
    assert run.reason == "a: It broke."


def test_a_failing_compensation_keeps_no_other_from_being_tried() -> None:
    world = World()
    steps: list[Toy | Watch] = [
        Toy(world, "a"),
        Toy(world, "b", undo=fails(PermanentError("It is stuck."), times=9)),
        Toy(world, "c", before=fails(BROKEN)),
    ]
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, *steps, world=world)

    run = act(stage)

    assert world.state == {"a": "old", "b": "new"}
    assert stage.told(CompensationFailed) == ["b"]
    assert run.verdict == "rollback-failed"
    assert run.differs == ("b: It is stuck.",)
    assert run.reason == "c: It broke.; not as it was: b: It is stuck."
    assert finished(stage.events).exit_code == 3


def finished(events: Sequence[Event]) -> RunFinished:
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last


def test_a_compensation_is_retried_when_its_error_may_pass() -> None:
    world = World()
    a = Toy(world, "a", undo=fails(TransientError("Rate exceeded."), times=2))
    stage = Stage({"a": [], "b": ["a"]}, a, Toy(world, "b", before=fails(BROKEN)), world=world)

    run = act(stage)

    assert run.verdict == "rolled-back"
    assert world.what_was("undo") == ["a"] * 3
    assert run.reason == "b: It broke."


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1)])
def test_a_defect_in_a_compensation_is_one_that_failed(error: BaseException) -> None:
    world = World()
    a = Toy(world, "a", undo=fails(error, times=9))
    stage = Stage({"a": [], "b": ["a"]}, a, Toy(world, "b", before=fails(BROKEN)), world=world)

    run = act(stage)

    assert run.verdict == "rollback-failed"
    assert "defect in lgtm-deploy" in run.differs[0]


@pytest.mark.parametrize("gate", [Shut(reason="it is gone"), Waiting(reason="it is coming", poll_seconds=0.001)])
def test_what_does_not_come_back_is_said(gate: Gate[None]) -> None:
    class Lost(Toy):
        def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
            return gate

    world = World()
    stage = Stage({"a": [], "b": ["a"]}, Lost(world, "a"), Toy(world, "b", before=fails(BROKEN)), world=world)
    stage.rewrite("a", timeout=0.02)

    run = act(stage)

    assert run.verdict == "rollback-failed"
    assert run.differs[0].endswith("it is gone" if isinstance(gate, Shut) else "after 0.02 s still: it is coming")


def test_what_is_back_by_itself_is_not_undone() -> None:
    world = World()

    def by_itself(_toy: Toy, _progress: object) -> None:
        world.state["a"] = "old"
        raise BROKEN

    stage = Stage({"a": [], "b": ["a"]}, Toy(world, "b", before=by_itself), world=world)

    run = act(stage)

    assert world.what_was("undo") == []
    assert run.verdict == "rolled-back"


def test_without_rollback_everything_stays_and_is_listed() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, Toy(world, "b", before=fails(BROKEN)), world=world)

    run = act(stage, roll_back=False)

    assert world.state == {"a": "new"}
    assert stage.told(RollbackStarted) == []
    assert (run.verdict, finished(stage.events).exit_code) == ("halted", 7)
    assert run.reason == "b: It broke.; changed and left so: a, b"


def test_a_plan_may_say_that_failures_halt() -> None:
    stage = Stage({"a": [], "b": ["a"]}, on_failure="halt")
    stage.replace_step(Toy(stage.world, "b", before=fails(BROKEN)))

    assert act(stage).verdict == "halted"
    assert stage.world.what_was("undo") == []


def test_a_failure_before_anything_acted_is_a_refusal() -> None:
    world = World()
    stage = Stage({"gate": [], "a": ["gate"]}, Watch(world, "gate", lambda _: Shut(reason="no way in")), world=world)

    run = act(stage)

    assert (run.verdict, run.reason) == ("refused", "gate: no way in")
    assert world.what_was("apply") == []
    assert stage.told(StepSkipped) == ["a"]
    assert stage.told(RollbackFinished) == []


def test_somebody_elses_deployment_is_left_alone() -> None:
    world = World()
    gate = Watch(world, "gate", lambda _: Shut(reason="replaced", kind="superseded"))
    stage = Stage({"a": [], "gate": ["a"]}, gate, world=world)

    run = act(stage)

    assert (run.verdict, finished(stage.events).exit_code) == ("superseded", 6)
    assert run.reason == "gate: replaced; changed and left so: a"
    assert world.state == {"a": "new"}


def test_a_failure_starts_nothing_new_ends_what_waits_and_lets_changes_end() -> None:
    world = World()
    failed = until(lambda: "StepFailed broken" in world.log)
    needs: dict[str, list[str]] = {"first": [], "broken": ["first"], "gate": ["first"], "slow": ["first"]}
    steps: list[Toy | Watch] = [
        Toy(world, "broken", before=until(lambda: "look gate" in world.log), after=fails(BROKEN)),
        Watch(world, "gate", for_ever),
        Toy(world, "slow", before=failed),
    ]
    stage = Stage(needs | {"later": ["slow"]}, *steps, world=world)

    run = act(stage)

    assert run.verdict == "rolled-back"
    assert run.reason == "broken: It broke."
    assert run.steps["gate"].kind == "interrupted"
    assert stage.told(StepSucceeded) == ["first", "slow"]
    assert "later" not in stage.told(StepStarted)
    assert stage.told(StepSkipped) == ["later"]
    assert stage.told(StepFailed) == ["broken", "gate"]
    assert set(world.state.values()) == {"old"}


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_fails_the_start_state_is_back_and_needs_are_undone_last(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(2, 8))
    names = [f"s{index}" for index in range(count)]
    needs = {
        name: data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    world = World()
    broken = Toy(world, data.draw(st.sampled_from(names)), after=fails(BROKEN))
    stage = Stage(needs, broken, world=world, parallelism=data.draw(st.integers(1, 3)))

    run = act(stage)

    undone = world.what_was("undo")
    assert run.verdict == "rolled-back"
    assert sorted(undone) == sorted(world.what_was("apply"))
    assert set(world.state.values()) <= {"old"}
    for name in undone:
        assert all(undone.index(need) > undone.index(name) for need in needs[name])


class Deploying(Toy):
    """Its way back has two halves: after the first it only waits."""

    retreats: ClassVar[bool] = True

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        if "undo check" not in self.world.log:
            return Waiting(reason="for the check", poll_seconds=0.001)
        return super().restored(inputs, seen)

    def retreated(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        return super().restored(inputs, seen)


class Check(Toy):
    def follows_retreat(self, inputs: Inputs) -> bool:
        return True


def turned(world: World, **undo: Doing) -> Stage:
    """hold -> two deployments -> one check -> release, and then something breaks."""
    steps: list[Toy] = [
        Toy(world, "hold"),
        Deploying(world, "one", undo=undo.get("one", nothing)),
        Deploying(world, "two", undo=undo.get("two", nothing)),
        Check(world, "check"),
        Toy(world, "release"),
        Toy(world, "broken", before=fails(BROKEN)),
    ]
    needs = {
        "hold": [],
        "one": ["hold"],
        "two": ["hold"],
        "check": ["one", "two"],
        "release": ["check"],
        "broken": ["release"],
    }
    return Stage(needs, *steps, world=world)


def test_deployments_are_sent_back_before_their_check_and_waited_for_after_it() -> None:
    world = World()

    run = act(stage := turned(world))

    undone = world.what_was("undo")
    assert run.verdict == "rolled-back", run.reason
    assert undone[0] == "release"
    assert set(undone[1:3]) == {"one", "two"}
    assert undone[3:] == ["check", "hold"], "each is sent back once"
    assert set(stage.told(StepCompensated)[-4:-2]) == {"one", "two"}
    assert stage.told(StepCompensated)[-2:] == ["check", "hold"]


class Braced(Check):
    """A check that was given something for the time of the handover."""

    def retreat(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        self.world.did(f"undo {self.name}")
        self.world.state[self.name] = "braced"

    def retreated(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        return Open(outputs=None) if self.world.state[self.name] == "braced" else Waiting(reason="for it")


def test_what_a_check_was_given_for_that_time_goes_after_the_deployments_are_back() -> None:
    world = World()
    stage = turned(world)
    stage.replace_step(Braced(world, "check"))

    run = act(stage)

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert world.what_was("undo")[3:] == ["check", "check", "hold"]
    log = world.log
    last = len(log) - 1 - log[::-1].index("undo check")
    assert max(log.index(f"StepCompensated {name}") for name in ("one", "two")) < last
    assert set(world.state.values()) == {"old"}


def test_a_check_whose_first_half_failed_is_told_once_and_keeps_no_deployment_from_going_back() -> None:
    class Stuck(Braced):
        def retreat(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
            self.world.did(f"undo {self.name}")
            raise BROKEN

    world = World()
    stage = turned(world)
    stage.replace_step(Stuck(world, "check"))

    run = act(stage)

    assert run.verdict == "rollback-failed"
    assert run.differs == ("check: It broke.",)
    assert {name: world.state[name] for name in ("one", "two", "hold")} == dict.fromkeys(("one", "two", "hold"), "old")


def test_a_check_stays_under_a_deployment_that_cannot_go_back() -> None:
    world = World()
    stage = turned(world, one=fails(BROKEN, times=9))

    run = act(stage)

    assert run.verdict == "rollback-failed"
    assert "check" not in world.what_was("undo")
    assert world.state["check"] == "new"
    assert world.state["two"] == "old"
    assert "one: It broke." in run.reason
    assert "check: left as it is: one could not go back" in run.reason


def test_what_lies_between_a_deployment_and_its_check_is_undone_after_the_check() -> None:
    world = World()
    steps = [
        Deploying(world, "deploy"),
        Toy(world, "between"),
        Check(world, "check"),
        Toy(world, "broken", before=fails(BROKEN)),
    ]
    needs = {"deploy": [], "between": ["deploy"], "check": ["between"], "broken": ["check"]}

    run = act(stage := Stage(needs, *steps, world=world))

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert world.what_was("undo") == ["deploy", "check", "between"]
    assert stage.told(StepCompensated)[-3:] == ["between", "deploy", "check"]
    assert set(world.state.values()) == {"old"}


def test_steps_that_wait_for_each_other_are_told_and_never_taken_for_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    chain = Stage({"a": [], "b": ["a"]}, Toy(world, "b", after=fails(BROKEN)), world=world)
    monkeypatch.setattr(rollback._WayBack, "order", lambda self: {"a": {"b"}, "b": {"a"}})

    run = act(chain)

    assert run.verdict == "rollback-failed"
    assert run.differs == ("b: was left out of the rollback", "a: was left out of the rollback")
