"""Undoing a run on request: finished, failed or killed half-way, back to the state that it found."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgtm_deploy.core.errors import (
    DeadlineError,
    InterruptedRunError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TransientError,
)
from lgtm_deploy.core.event import (
    CompensationFailed,
    Event,
    LockTaken,
    Record,
    RollbackStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    StepCompensated,
    StepObserved,
    StepProgressed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from lgtm_deploy.core.gate import Gate
from lgtm_deploy.core.plan import Hooks
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.history import refuse_when_changed_since
from lgtm_deploy.engine.undo import nothing_to_undo
from lgtm_deploy.fakes import FakeJournal
from tests.engine.acting import HookLog, act, resumed, taken_back
from tests.engine.toys import (
    Doing,
    Inputs,
    Outputs,
    Seen,
    Stage,
    Toy,
    Watch,
    WatchedJournal,
    World,
    fails,
    for_ever,
    nothing,
)

BROKEN = PermanentError("It broke.")
CHAIN = {"a": [], "b": ["a"], "gate": ["b"], "c": ["gate"]}


def chain(world: World, **changes: Toy | Watch) -> Stage:
    steps = {"gate": Watch(world, "gate")} | changes
    return Stage(CHAIN, *steps.values(), world=world)


def last(events: Sequence[Event]) -> RunFinished:
    event = events[-1]
    assert isinstance(event, RunFinished)
    return event


def test_a_deployed_run_is_undone_last_first_in_its_own_journal() -> None:
    stage = chain(World())
    act(stage)
    before = len(stage.events)

    run = taken_back(stage)

    assert stage.world.what_was("undo") == ["c", "b", "a"]
    assert set(stage.world.state.values()) == {"old"}
    kinds = [type(event) for event in stage.events[before:]]
    assert kinds[:3] == [RunResumed, LockTaken, RollbackStarted]
    assert (run.verdict, last(stage.events).exit_code, run.exit_code) == ("rolled-back", 0, 0)
    assert run.reason == "asked for by you@there"
    assert nothing_to_undo(run) == "Run 7f3a is rolled-back: there is nothing to undo."


def test_a_halted_run_is_undone_and_says_what_it_was() -> None:
    world = World()
    stage = chain(world, c=Toy(world, "c", after=fails(BROKEN)))
    act(stage, roll_back=False)

    run = taken_back(stage)

    assert set(world.state.values()) == {"old"}
    assert run.reason == "asked for by you@there; it was halted: c: It broke.; changed and left so: a, b, c"
    assert run.steps["c"].reason == "It broke."


def test_an_interrupted_run_is_undone_and_what_never_ran_is_skipped() -> None:
    world = World()
    stage = chain(world, b=Toy(world, "b", after=lambda *_: stage.stop.cancel("interrupted")))
    act(stage)

    run = taken_back(stage)

    assert world.what_was("undo") == ["b", "a"]
    assert set(stage.told(StepSkipped)) == {"gate", "c"}
    assert run.verdict == "rolled-back"


class Killed(BaseException):
    """The process is gone."""


class Deadly(WatchedJournal):
    """Writes so many events, and then its process is gone."""

    def __init__(self, world: World, left: int) -> None:
        super().__init__(world)
        self.left = left

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        if self.left < len(events):
            raise Killed
        self.left -= len(events)
        return super().append(run, fence, events)


def killed_at(boundary: int) -> tuple[Stage, Deadly]:
    stage = chain(World())
    journal = Deadly(stage.world, boundary)
    stage.write_to(journal)
    with pytest.raises(Killed):
        act(stage)
    return stage, journal


@pytest.mark.parametrize("boundary", range(2, 14))
def test_a_killed_run_is_undone_to_its_start_and_nothing_twice(boundary: int) -> None:
    stage, journal = killed_at(boundary)
    journal.left = 99
    if nothing_to_undo(Run(id="7f3a").folded(stage.events)):
        assert stage.world.what_was("apply") == []
        return

    run = taken_back(stage)

    assert run.verdict == "rolled-back"
    assert set(stage.world.state.values()) <= {"old"}
    undone = stage.world.what_was("undo")
    assert len(undone) == len(set(undone))
    assert "running" not in {step.status for step in run.steps.values()}


@pytest.mark.parametrize("first", range(1, 8))
def test_an_undoing_that_was_killed_goes_on_when_it_is_asked_for_again(first: int) -> None:
    stage = chain(World())
    journal = Deadly(stage.world, 99)
    stage.write_to(journal)
    act(stage)
    journal.left = first
    with pytest.raises(Killed):
        taken_back(stage)
    journal.left = 99

    run = taken_back(stage)

    assert (run.verdict, run.exit_code) == ("rolled-back", 0)
    assert run.reason.startswith("asked for by you@there")
    assert stage.world.what_was("undo") == ["c", "b", "a"]
    assert sorted(stage.told(StepCompensated)) == ["a", "b", "c"]


@pytest.mark.parametrize("first", range(1, 8))
def test_an_undoing_that_was_killed_goes_on_with_resume_too_and_not_forwards(first: int) -> None:
    stage = chain(World())
    journal = Deadly(stage.world, 99)
    stage.write_to(journal)
    act(stage)
    applied = stage.world.what_was("apply")
    journal.left = first
    with pytest.raises(Killed):
        taken_back(stage)
    journal.left = 99
    resumed(stage)

    run = act(stage)

    assert (run.verdict, run.exit_code) == ("rolled-back", 0)
    assert stage.world.what_was("undo") == ["c", "b", "a"]
    assert stage.world.what_was("apply") == applied


def test_a_rollback_after_a_failure_that_was_killed_keeps_its_reason_when_it_goes_on() -> None:
    gone_on = 0
    for allowed in range(10, 22):
        world = World()
        stage = chain(world, c=Toy(world, "c", after=fails(BROKEN)))
        journal = Deadly(world, allowed)
        stage.write_to(journal)
        try:
            act(stage)
        except Killed:
            journal.left = 99
            resumed(stage)
            if stage.job.run.rolling_back:
                run = act(stage)
                gone_on += 1
                assert (run.verdict, run.exit_code, run.reason) == ("rolled-back", 1, "c: It broke.")
                assert len(world.what_was("undo")) == 3
                assert world.what_was("apply") == ["a", "b", "c"]
                assert run.steps["c"].kind == "failed"
    assert gone_on >= 4


class Lasting(Toy):
    """What it does lands whatever becomes of its process, and only when somebody waits for it."""

    def __init__(self, world: World, name: str, *, waits: Doing = nothing) -> None:
        super().__init__(world, name)
        self._waits = waits

    def quiesce(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        self.world.did(f"wait {self.name}")
        self._waits(self, progress)
        self.world.state[self.name] = "new"


class NeverTold(WatchedJournal):
    """The process is gone before it writes down how that step ended."""

    def __init__(self, world: World, step: str) -> None:
        super().__init__(world)
        self._step = step

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        if any(isinstance(event, StepSucceeded) and event.step == self._step for event in events):
            raise Killed
        return super().append(run, fence, events)


def killed_in_c(waits: Doing = nothing) -> Stage:
    """What `c` does is still on its way."""
    world = World()
    stage = chain(world, a=Lasting(world, "a"), c=Lasting(world, "c", waits=waits))
    stage.write_to(NeverTold(world, "c"))
    with pytest.raises(Killed):
        act(stage)
    world.state["c"] = "old"
    return stage


def test_what_a_killed_process_began_lands_before_it_is_undone() -> None:
    stage = killed_in_c()
    shown: list[Preview] = []

    run = taken_back(stage, lambda preview: bool(shown.append(preview)) or True)

    assert stage.world.what_was("wait") == ["c"]
    assert [line.step for line in shown[0].lines] == ["c", "b", "a"]
    assert stage.world.what_was("undo") == ["c", "b", "a"]
    assert (run.verdict, set(stage.world.state.values())) == ("rolled-back", {"old"})


def test_what_stays_unknown_is_told_and_keeps_nothing_from_being_undone() -> None:
    stage = killed_in_c(waits=fails(DeadlineError("It is locked by ada.", resolution="Wait.")))
    before = len(stage.events)

    run = taken_back(stage)

    assert next(event.message for event in stage.events[before:] if isinstance(event, StepProgressed)) == (
        "something may still be under way: It is locked by ada. Wait."
    )
    assert stage.world.what_was("undo") == ["b", "a"]
    assert run.verdict == "rolled-back"


def test_who_waits_for_it_may_stop() -> None:
    def asked(_toy: Toy, progress: Progress) -> None:
        stage.stop.cancel("interrupted")
        progress("locked by ada")

    stage = killed_in_c(waits=asked)

    with pytest.raises(InterruptedRunError):
        taken_back(stage)

    assert stage.world.what_was("undo") == []


def test_what_a_killed_undoing_began_is_waited_for_before_it_goes_on() -> None:
    world = World()
    stage = chain(world, b=Lasting(world, "b"), c=Lasting(world, "c", waits=fails(TransientError("Busy."), times=2)))
    journal = Deadly(world, 99)
    stage.write_to(journal)
    act(stage)
    journal.left = 3
    with pytest.raises(Killed):
        taken_back(stage)
    journal.left = 99
    resumed(stage)

    run = act(stage)

    assert world.what_was("wait") == ["b", "c", "c", "c"]
    assert world.what_was("undo") == ["c", "c", "b", "a"]
    assert (run.verdict, set(world.state.values())) == ("rolled-back", {"old"})


def test_a_rollback_that_failed_is_tried_again_and_only_what_is_missing() -> None:
    world = World()
    stuck = fails(PermanentError("It is stuck."), times=1)
    stage = chain(world, b=Toy(world, "b", undo=stuck), c=Toy(world, "c", after=fails(BROKEN)))
    assert act(stage).verdict == "rollback-failed"
    tried = world.what_was("undo")

    run = taken_back(stage)

    assert run.verdict == "rolled-back"
    assert world.what_was("undo")[len(tried) :] == ["b"]
    assert run.differs == ()


def test_what_does_not_come_back_is_listed_with_its_exit_code() -> None:
    world = World()
    stage = chain(world, b=Toy(world, "b", undo=fails(PermanentError("It is stuck."), times=9)))
    act(stage)
    hooks = HookLog()
    stage.job = replace(stage.job, plan=replace(stage.plan, hooks=Hooks(failed=(("ring",),))))

    run = taken_back(stage, hooks=hooks)

    assert (run.verdict, run.exit_code) == ("rollback-failed", 3)
    assert stage.told(CompensationFailed) == ["b"]
    assert run.differs == ("b: It is stuck.",)
    assert run.reason == "asked for by you@there; not as it was: b: It is stuck."
    assert hooks.ran == [("ring",)]


def test_the_preview_says_what_would_come_back_and_what_is_back() -> None:
    stage = chain(World())
    act(stage)
    stage.world.state["b"] = "old"
    shown: list[Preview] = []

    taken_back(stage, lambda preview: bool(shown.append(preview)) or True)

    assert [line.step for line in shown[0].lines] == ["c", "a"]
    assert shown[0].lines[0].change == "undo: turn c"
    assert shown[0].lines[0].details == ("is new",)
    assert shown[0].unchanged == ("b",)
    assert stage.world.what_was("undo") == ["c", "a"]


def test_who_says_no_leaves_everything_as_it_is() -> None:
    stage = chain(World())
    act(stage)
    told = list(stage.events)

    with pytest.raises(RefusedError, match="was not approved"):
        taken_back(stage, lambda _: False)

    assert stage.events == told
    assert stage.world.what_was("undo") == []


def test_who_interrupts_the_question_leaves_everything_as_it_is() -> None:
    stage = chain(World())
    act(stage)
    told = list(stage.events)

    def interrupted(_: Preview) -> bool:
        stage.stop.cancel("interrupted at the question")
        return False

    with pytest.raises(InterruptedRunError, match="interrupted at the question"):
        taken_back(stage, interrupted)

    assert stage.events == told


class Replaced(Toy):
    """Somebody else has turned it since."""

    def superseded(self, inputs: Inputs, seen: Seen, outputs: Outputs | None) -> str:
        now = self.world.state.get(self.name, "old")
        return f"{self.name} is {now}, after {outputs.value if outputs else '?'}" if now not in ("old", "new") else ""


def test_what_somebody_else_has_done_since_is_not_undone() -> None:
    world = World()
    stage = chain(world, b=Replaced(world, "b"))
    act(stage)
    world.state["b"] = "theirs"
    told = list(stage.events)

    with pytest.raises(RefusedError, match="Run 7f3a cannot be undone: b is theirs, after b"):
        taken_back(stage)

    assert stage.events == told
    assert world.what_was("undo") == []


def test_what_somebody_else_does_during_the_question_is_not_undone_either() -> None:
    world = World()
    stage = chain(world, b=Replaced(world, "b"))
    act(stage)

    def meanwhile(_: Preview) -> bool:
        world.state["b"] = "theirs"
        return True

    with pytest.raises(RefusedError, match="b is theirs"):
        taken_back(stage, meanwhile)
    assert world.what_was("undo") == []


class Blind(Toy):
    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        raise NotFoundError("There is no service 'b'.")


def test_what_cannot_be_looked_at_keeps_nothing_else_from_coming_back() -> None:
    world = World()
    stage = chain(world, b=Blind(world, "b"))
    act(stage)
    shown: list[Preview] = []

    run = taken_back(stage, lambda preview: bool(shown.append(preview)) or True)

    assert "There is no service 'b'" in shown[0].lines[1].details[0]
    assert run.verdict == "rollback-failed"
    assert (world.state["a"], world.state["c"]) == ("old", "old")


def test_a_run_that_changed_nothing_has_nothing_to_undo() -> None:
    world = World()
    stage = chain(world, gate=Watch(world, "gate", for_ever))
    world.state.update({"a": "new", "b": "new"})
    stage.stop.cancel("interrupted")

    run = act(stage)

    assert run.verdict == "interrupted"
    assert nothing_to_undo(run) == "Run 7f3a has changed nothing: there is nothing to undo."


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_graph_an_undone_run_leaves_the_start_state(data: st.DataObject) -> None:
    names = [f"s{index}" for index in range(data.draw(st.integers(2, 8)))]
    needs = {
        name: data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    stage = Stage(needs, parallelism=data.draw(st.integers(1, 3)))
    act(stage)

    assert taken_back(stage).verdict == "rolled-back"

    undone = stage.world.what_was("undo")
    assert sorted(undone) == names
    for name in undone:
        assert all(undone.index(need) > undone.index(name) for need in needs[name])


# -- other runs since ------------------------------------------------------------------------------------------------
START = datetime(2026, 1, 16, tzinfo=UTC)


def acts(minute: int) -> list[Event]:
    at = START + timedelta(minutes=minute)
    return [
        StepStarted(at=at + timedelta(seconds=1), step="a"),
        StepObserved(at=at + timedelta(seconds=2), step="a", seen={"state": "old"}, change="turn a"),
    ]


def remembered(
    journal: FakeJournal, run: str, minute: int, *, acted: bool = True, finished: bool = True, fence: int = 0
) -> Run:
    at = START + timedelta(minutes=minute)
    happened: list[Event] = [
        RunStarted(at=at, plan="p", plan_digest="", stack="lgtm", environment="prod", by="ci", steps={"a": ()}),
        *(acts(minute) if acted else acts(minute)[:1]),
    ]
    if finished:
        end = at + timedelta(seconds=30)
        happened.append(RunFinished(at=end, verdict="halted", exit_code=7, seconds=30.0, reason=""))
    # Whoever comes later has a higher fence.
    journal.append(run, fence or minute, happened)
    return Run(id=run).folded(happened)


def test_a_later_run_that_changed_something_is_named() -> None:
    journal = FakeJournal()
    run = remembered(journal, "7f3a", 1)
    remembered(journal, "91c2", 2)

    with pytest.raises(RefusedError, match=r"run 91c2 .*has changed 'prod' since.*rollback 91c2"):
        refuse_when_changed_since(journal, run)


def test_an_earlier_run_that_was_resumed_since_is_named() -> None:
    journal = FakeJournal()
    remembered(journal, "91c2", 1, finished=False)
    run = remembered(journal, "7f3a", 2)
    journal.append("91c2", 5, acts(5))

    with pytest.raises(RefusedError, match="run 91c2"):
        refuse_when_changed_since(journal, run)


def test_of_two_runs_the_one_that_changed_something_last_can_be_undone() -> None:
    """The first was stopped before it changed anything, and went on after the second."""
    journal = FakeJournal()
    first = remembered(journal, "7f3a", 1, acted=False, finished=False)
    second = remembered(journal, "91c2", 2)
    refuse_when_changed_since(journal, first, goes_on=True)
    journal.append("7f3a", 3, acts(3))

    refuse_when_changed_since(journal, first)
    with pytest.raises(RefusedError, match="rollback 7f3a"):
        refuse_when_changed_since(journal, second)


def test_who_only_thought_about_going_on_has_changed_nothing_since() -> None:
    journal = FakeJournal()
    remembered(journal, "91c2", 1, finished=False)
    run = remembered(journal, "7f3a", 2)
    at = START + timedelta(minutes=5)
    journal.append("91c2", 5, [StepStarted(at=at, step="a"), StepSkipped(at=at, step="a", reason="not approved")])

    refuse_when_changed_since(journal, run)


def test_a_half_done_run_does_not_go_on_over_what_another_one_has_changed_since() -> None:
    journal = FakeJournal()
    run = remembered(journal, "7f3a", 1, finished=False)
    remembered(journal, "91c2", 2)

    with pytest.raises(RefusedError, match=r"Run 7f3a cannot go on: run 91c2 .*rollback 91c2"):
        refuse_when_changed_since(journal, run, goes_on=True)


def test_which_run_was_later_is_not_a_matter_of_clocks() -> None:
    """The machine that began the second one was ten minutes late."""
    journal = FakeJournal()
    run = remembered(journal, "7f3a", 12)
    remembered(journal, "91c2", 2, fence=13)

    with pytest.raises(RefusedError, match="run 91c2"):
        refuse_when_changed_since(journal, run)


def test_runs_before_it_and_runs_that_changed_nothing_do_not_stand_in_the_way() -> None:
    journal = FakeJournal()
    remembered(journal, "0001", 1)
    remembered(journal, "0002", 1, finished=False)
    run = remembered(journal, "7f3a", 2)
    remembered(journal, "91c2", 3, acted=False)
    undone = remembered(journal, "d00d", 4)
    at = START + timedelta(minutes=6)
    journal.append(
        "d00d",
        2,
        [
            StepCompensated(at=at, step="a", seconds=0.1),
            RunFinished(at=at, verdict="rolled-back", exit_code=0, seconds=1.0, reason=""),
        ],
    )

    refuse_when_changed_since(journal, run)

    assert undone.steps["a"].acted, "it had changed something before it was undone"
