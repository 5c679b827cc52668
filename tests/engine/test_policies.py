"""What a plan's and a person's policies make of a failure: go on where that can be, leave all as it is, do a part."""

from dataclasses import replace

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.event import StepSkipped, StepSucceeded
from lgtm_deploy.core.gate import Gate, Open, Shut, Waiting
from tests.engine.acting import act, resumed, taken_back
from tests.engine.toys import LocalToy, Outputs, Stage, Toy, Watch, World, fails, until

BROKEN = PermanentError("It broke.")
WAITING: Gate[Outputs] = Waiting(reason="until it has failed", poll_seconds=0.001)


def spread(world: World, **changes: Toy | Watch) -> Stage:
    """Two chains side by side, and one step that needs both. `a1` breaks."""
    needs = {"a1": [], "a2": ["a1"], "b1": [], "gate": ["b1"], "b2": ["gate"], "both": ["a2", "b2"]}
    late = Watch(world, "gate", lambda _: Open(outputs=Outputs(value="")) if "StepFailed a1" in world.log else WAITING)
    steps = {"a1": Toy(world, "a1", after=fails(BROKEN)), "gate": late} | changes
    return Stage(needs, *steps.values(), world=world, on_failure="continue")


def test_a_plan_may_say_that_what_needs_no_failed_step_goes_on() -> None:
    world = World()
    stage = spread(world)

    run = act(stage)

    assert stage.told(StepSucceeded) == ["b1", "gate", "b2"]
    assert stage.told(StepSkipped) == ["a2", "both"]
    assert world.what_was("undo") == []
    assert (run.verdict, run.exit_code) == ("halted", 7)
    assert run.reason == "a1: It broke.; changed and left so: a1, b1, b2"


def test_where_a_plan_goes_on_every_failure_is_told() -> None:
    world = World()
    stage = spread(world, b2=Toy(world, "b2", before=fails(PermanentError("It is stuck."))))

    run = act(stage)

    assert run.reason == "a1: It broke.; b2: It is stuck.; changed and left so: a1, b1, b2"


def test_nothing_goes_on_where_somebody_else_is_at_work() -> None:
    world = World()
    replaced = Watch(world, "gate", lambda _: Shut(reason="replaced", kind="superseded"))
    stage = Stage({"b1": [], "gate": ["b1"], "c1": ["b1"], "c2": ["c1"]}, replaced, world=world, on_failure="continue")
    stage.replace_step(Toy(world, "c1", before=until(lambda: "StepFailed gate" in world.log)))

    run = act(stage)

    assert run.verdict == "superseded"
    assert "apply c2" not in world.log


def test_what_a_plan_prepares_is_refused_at_the_first_failure_all_the_same() -> None:
    world = World()
    broken = LocalToy(world, "broken", before=fails(BROKEN))
    stage = Stage({"broken": [], "a": []}, broken, world=world, on_failure="continue")

    run = act(stage)

    assert run.verdict == "refused"
    assert "apply a" not in world.log


def test_a_run_that_went_on_is_undone_on_request() -> None:
    world = World()
    stage = spread(world)
    act(stage)

    run = taken_back(stage)

    assert run.verdict == "rolled-back"
    assert set(world.state.values()) == {"old"}


def test_who_began_without_rollback_goes_on_without_it() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, world=world)
    stage.replace_step(Toy(world, "a", after=lambda *_: stage.stop.cancel("interrupted")))
    assert act(stage, roll_back=False).verdict == "interrupted"
    stage.replace_step(Toy(world, "b", before=fails(BROKEN)))
    resumed(stage)

    run = act(stage)

    assert run.verdict == "halted"
    assert world.what_was("undo") == []


def test_a_part_of_a_plan_is_resumed_and_undone_as_that_part() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, world=world)
    part = stage.graph.only("b")
    stage.replace_step(Toy(world, "a", after=lambda *_: stage.stop.cancel("interrupted")))
    stage.job = replace(stage.job, graph=part)
    act(stage)
    resumed(stage)

    assert act(stage).verdict == "deployed"
    assert world.state == {"a": "new", "b": "new"}

    assert taken_back(stage).verdict == "rolled-back"
    assert world.what_was("undo") == ["b", "a"]


def test_a_plan_that_goes_on_and_is_stopped_can_be_gone_on_with() -> None:
    world = World()
    stage = spread(world)
    stage.replace_step(
        Toy(
            world,
            "b1",
            after=lambda *_: (until(lambda: "StepFailed a1" in world.log)(*_), stage.stop.cancel("interrupted")),
        )
    )

    run = act(stage)

    assert (run.verdict, run.exit_code) == ("interrupted", 130)
    assert run.reason == "interrupted; a1: It broke.; done so far: a1, b1"
    stage.replace_step(Toy(world, "a1"))
    resumed(stage)
    assert act(stage).verdict == "deployed"
    assert world.what_was("apply").count("b1") == 1


def test_a_plan_that_goes_on_and_runs_out_of_time_can_be_gone_on_with() -> None:
    world = World()
    stage = spread(world)
    stage.replace_step(
        Toy(
            world,
            "b1",
            after=lambda *_: (
                until(lambda: "StepFailed a1" in world.log)(*_),
                stage.stop.cancel("over", timed_out=True),
            ),
        )
    )

    assert act(stage).verdict == "timed-out"


def test_who_stops_a_plan_that_goes_on_too_late_is_told_of_the_failure() -> None:
    world = World()
    stage = Stage({"a": []}, Toy(world, "a", after=fails(BROKEN)), world=world, on_failure="continue")
    stage.replace_step(Toy(world, "a", after=lambda *_: (stage.stop.cancel("interrupted"), fails(BROKEN)(*_))))

    assert act(stage).verdict == "halted"


def test_who_goes_on_without_rollback_need_not_say_it_again() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, world=world)
    stage.replace_step(Toy(world, "a", after=lambda *_: stage.stop.cancel("interrupted")))
    assert act(stage).verdict == "interrupted"
    stage.replace_step(Toy(world, "b", after=lambda *_: stage.stop.cancel("interrupted")))
    resumed(stage)
    assert act(stage, roll_back=False).verdict == "interrupted"
    stage.replace_step(Toy(world, "c", before=fails(BROKEN)))
    resumed(stage)

    assert act(stage).verdict == "halted"
    assert world.what_was("undo") == []
