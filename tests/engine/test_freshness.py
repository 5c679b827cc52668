"""What was prepared and shown may be out of date once a person has answered."""

from collections.abc import Callable

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.event import StepOutdated, StepStarted
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.engine.conduct import Decisions
from tests.engine.acting import act_if, resumed
from tests.engine.toys import Inputs, LocalToy, Outputs, Seen, Stage, Toy, World, nothing

STALE = "the state has changed"


class Prepared(LocalToy):
    """Prepares anew whenever it is run; `holds` says of each time whether it still holds."""

    def __init__(self, world: World, name: str, holds: Callable[[int], bool]) -> None:
        super().__init__(world, name)
        self.asked: list[tuple[Inputs, Outputs]] = []
        self._holds = holds

    def still_holds(self, inputs: Inputs, outputs: Outputs) -> str:
        self.asked.append((inputs, outputs))
        self.world.state.pop(self.name, None)
        return "" if self._holds(self.applied) else STALE


def staged(holds: Callable[[int], bool]) -> tuple[Stage, Prepared]:
    """`plan` prepares, `follow` works on from that, `aside` does not, and `remote` acts."""
    world = World()
    plan = Prepared(world, "plan", holds)
    follow, aside = LocalToy(world, "follow"), LocalToy(world, "aside")
    needs = {"plan": [], "follow": ["plan"], "aside": [], "remote": ["follow", "aside"]}
    stage = Stage(needs, plan, follow, aside, world=world)
    stage.rewrite("plan", inputs=Inputs(value="in test"))
    return stage, plan


def test_what_no_longer_holds_is_prepared_again_and_asked_again() -> None:
    stage, plan = staged(lambda times: times > 1)
    shown: list[Preview] = []

    def approve(preview: Preview) -> bool:
        shown.append(preview)
        stage.world.state.pop("follow", None)
        return True

    run = act_if(stage, Decisions(approve=approve, asks=True))

    assert (run.verdict, run.reason) == ("deployed", "")
    assert len(shown) == 2
    assert [line.step for line in shown[1].lines] == ["remote"]
    applied = stage.world.what_was("apply")
    assert sorted(applied) == ["aside", "follow", "follow", "plan", "plan", "remote"]
    assert applied[-3:] == ["plan", "follow", "remote"]
    # A part of it is never `plan` without what follows it.
    assert stage.told(StepOutdated) == ["follow", "plan"]
    assert plan.asked[0] == (Inputs(value="in test"), Outputs(value="plan"))


def test_nobody_is_asked_more_than_three_times() -> None:
    stage, plan = staged(lambda _: False)
    questions: list[Preview] = []

    def approve(preview: Preview) -> bool:
        questions.append(preview)
        return True

    run = act_if(stage, Decisions(approve=approve, asks=True))

    assert (run.verdict, len(questions), plan.applied) == ("refused", 3, 3)
    assert run.reason == f"plan: {STALE}, 3 times while it was being approved: try later"
    assert "remote" not in stage.told(StepStarted)


def test_who_says_no_the_second_time_is_heeded() -> None:
    stage, _ = staged(lambda _: False)
    answers = [False, True]

    run = act_if(stage, Decisions(approve=lambda _: answers.pop(), asks=True))

    assert (run.verdict, run.reason) == ("refused", "the change was not approved")


def test_what_was_approved_elsewhere_is_refused_when_it_is_out_of_date() -> None:
    stage, plan = staged(lambda _: False)

    run = act_if(stage, Decisions(approve=lambda _: True, prepared={"plan": {"value": "kept"}}))

    assert (run.verdict, run.reason) == ("refused", f"plan: {STALE}: plan again")
    assert plan.asked == [(Inputs(value="in test"), Outputs(value="kept"))]
    assert plan.applied == 0
    assert "remote" not in stage.world.what_was("apply")


def test_what_was_approved_elsewhere_and_still_holds_is_done() -> None:
    stage, plan = staged(lambda _: True)

    run = act_if(stage, Decisions(approve=lambda _: True, prepared={"plan": {"value": "kept"}}))

    assert (run.verdict, plan.applied) == ("deployed", 0)


def test_without_a_question_no_time_is_lost_with_looking() -> None:
    stage, plan = staged(lambda _: False)

    run = act_if(stage, Decisions(approve=lambda _: True))

    assert run.verdict == "deployed"
    assert plan.asked == []


def test_nothing_is_looked_at_when_nothing_would_change() -> None:
    stage, plan = staged(lambda _: False)
    stage.world.state["remote"] = "new"

    run = act_if(stage, Decisions(approve=lambda _: True, asks=True))

    assert run.verdict == "unchanged"
    assert plan.asked == []


def test_a_step_that_cannot_look_refuses_the_run() -> None:
    stage, plan = staged(lambda _: True)

    def lost(times: int) -> bool:
        raise PermanentError("The saved plan is gone.", resolution="Plan again.")

    plan._holds = lost

    run = act_if(stage, Decisions(approve=lambda _: True, asks=True))

    assert (run.verdict, run.reason) == ("refused", "The saved plan is gone. Plan again.")


def test_once_something_was_changed_it_is_too_late_to_prepare_anew() -> None:
    stage, plan = staged(lambda _: False)

    def half_way(_toy: Toy, _progress: object) -> None:
        stage.stop.cancel("interrupted")
        raise PermanentError("It broke.")

    stage.replace_step(Toy(stage.world, "remote", after=half_way))
    first = act_if(stage, Decisions(approve=lambda _: True, roll_back=False))
    assert first.steps["remote"].acted

    act_if(stage, Decisions(approve=lambda _: True, asks=True))

    assert plan.asked == []


@pytest.mark.parametrize("asks", [True, False])
def test_a_run_whose_preparations_hold_is_asked_once(asks: bool) -> None:
    stage, _ = staged(lambda _: True)
    questions: list[Preview] = []

    def approve(preview: Preview) -> bool:
        questions.append(preview)
        return True

    assert act_if(stage, Decisions(approve=approve, asks=asks)).verdict == "deployed"
    assert len(questions) == 1


def test_who_goes_on_the_next_day_works_with_what_holds_then() -> None:
    stage, plan = staged(lambda times: times > 1)
    stage.replace_step(LocalToy(stage.world, "aside", after=lambda *_: stage.stop.cancel("interrupted")))
    stage.rewrite("aside", needs=("follow",))
    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "interrupted"
    stage.world.state.pop("follow", None)
    resumed(stage)

    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "deployed"
    assert plan.applied == 2
    assert stage.told(StepOutdated) == ["aside", "follow", "plan"]


def test_nobody_is_asked_for_what_will_not_be_done() -> None:
    stage, _ = staged(lambda _: True)
    questions: list[Preview] = []

    class Pressed(Toy):
        def observe(self, inputs: Inputs) -> Seen:
            stage.stop.cancel("interrupted")
            return super().observe(inputs)

    stage.replace_step(Pressed(stage.world, "remote"))
    run = act_if(stage, Decisions(approve=lambda seen: not questions.append(seen), asks=True))

    assert (run.verdict, run.reason, questions) == ("interrupted", "interrupted", [])


class Elsewhere(Prepared):
    """What it has prepared is not on this machine, and is `now` when it is prepared again."""

    now = ""

    def missing(self, outputs: Outputs) -> str:
        return "" if self.now == outputs.value else "it is not on this machine"

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        super().apply(inputs, seen, progress)
        return Outputs(value=self.now or self.name)


def gone_on_elsewhere(now: str, *, acted: bool) -> tuple[Stage, Elsewhere]:
    """Stopped when `plan` and `follow` were done, and one change too if `acted`; the rest still needs `plan`."""
    world = World()
    plan = Elsewhere(world, "plan", lambda _: True)
    stage = Stage({"plan": [], "follow": ["plan"], "remote": ["follow"], "rest": ["remote", "plan"]}, plan, world=world)

    def stop(_toy: Toy, _progress: Progress) -> None:
        stage.stop.cancel("interrupted")

    stage.replace_step(LocalToy(world, "follow", after=nothing if acted else stop))
    stage.replace_step(Toy(world, "remote", after=stop if acted else nothing))
    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "interrupted"
    plan.now = now
    world.state.pop("plan")
    resumed(stage)
    return stage, plan


def test_what_is_prepared_again_and_is_the_same_is_gone_on_with() -> None:
    stage, plan = gone_on_elsewhere("plan", acted=True)
    plan.missing = lambda outputs: "it is not on this machine" if plan.applied == 1 else ""  # type: ignore[method-assign]

    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "deployed"
    assert stage.told(StepOutdated) == ["plan"]
    assert plan.applied == 2


def test_what_is_prepared_again_and_is_not_the_same_is_tried_out_and_shown_anew() -> None:
    stage, _ = gone_on_elsewhere("other", acted=False)
    stage.replace_step(LocalToy(stage.world, "follow"))
    stage.world.state.pop("follow")

    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "deployed"
    assert stage.told(StepStarted).count("follow") == 2


def test_what_was_changed_with_something_else_is_not_gone_on_with() -> None:
    stage, plan = gone_on_elsewhere("other", acted=True)

    run = act_if(stage, Decisions(approve=lambda _: True))

    assert (run.verdict, run.exit_code) == ("interrupted", 130)
    assert run.reason.startswith("plan: it gives something else than before: go on with the files as they were")
    assert "apply rest" not in stage.world.log
    # Killed or asked again, it is not forgotten.
    stage.world.state.pop("plan")
    resumed(stage)
    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "interrupted"
    # Somebody has brought the files back.
    stage.world.state.pop("plan")
    plan.now = "plan"
    resumed(stage)
    assert act_if(stage, Decisions(approve=lambda _: True)).verdict == "deployed"


def test_what_was_approved_elsewhere_and_waited_is_done_as_it_was_or_not_at_all() -> None:
    stage, plan = staged(lambda _: True)
    stage.replace_step(LocalToy(stage.world, "aside", after=lambda *_: stage.stop.cancel("interrupted")))
    first = act_if(stage, Decisions(approve=lambda _: True, prepared={"plan": {"value": "kept"}}))
    assert first.verdict == "interrupted"
    plan._holds = lambda _: False
    resumed(stage)

    run = act_if(stage, Decisions(approve=lambda _: True))

    assert (run.verdict, run.reason) == ("refused", f"plan: {STALE}: plan again")
    assert plan.applied == 0
