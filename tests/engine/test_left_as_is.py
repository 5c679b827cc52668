"""A step that does not restore its change is left as is, and every later step of the run knows that."""

from collections.abc import Sequence

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.event import CompensationFailed, Event, Record, RollbackFinished, StepCompensated, StepLeftAsIs
from lgtm_deploy.core.gate import LeftAsIs, Restoration, Waiting
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.step import Action
from tests.engine.acting import act, resumed, taken_back
from tests.engine.toys import Inputs, Seen, Stage, Toy, WatchedJournal, World, fails

BROKEN = PermanentError("It broke.")
CHAIN = {"a": [], "kept": ["a"], "broken": ["kept"]}


class Silent(Toy):
    """Says nothing about its undoing, as a step that does not override the protocol."""

    compensate = Action.compensate
    restored = Action.restored  # type: ignore[assignment]


class Partly(Toy):
    """Restores its place, and leaves a copy."""

    def restored(self, inputs: Inputs, seen: Seen) -> Restoration:
        self.world.did(f"looked {self.name}")
        gate = super().restored(inputs, seen)
        return gate if isinstance(gate, Waiting) else LeftAsIs(remains="a copy remains")


class Killed(BaseException):
    """The process is gone."""


class EndsAt(WatchedJournal):
    """The process is killed when it writes an event of that kind; `before`: before the event is on disk."""

    def __init__(self, world: World, kind: type[Event], *, before: bool) -> None:
        super().__init__(world)
        self.kind: type[Event] | None = kind
        self._before = before

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        dies = self.kind is not None and any(isinstance(event, self.kind) for event in events)
        written = [] if dies and self._before else super().append(run, fence, events)
        if dies:
            self.kind = None
            raise Killed
        return written


def staged(kept: type[Toy], *, journal: tuple[type[Event], bool] | None = None) -> Stage:
    world = World()
    stage = Stage(CHAIN, kept(world, "kept"), Toy(world, "broken", before=fails(BROKEN)), world=world)
    if journal:
        stage.write_to(EndsAt(world, journal[0], before=journal[1]))
    return stage


def test_a_step_that_does_not_say_how_it_is_restored_is_left_as_is() -> None:
    stage = staged(Silent)

    run = act(stage)

    assert (run.verdict, run.exit_code, run.differs) == ("rolled-back", 1, ())
    kept = run.steps["kept"]
    assert (kept.status, kept.acted, kept.remains) == ("left-as-is", False, "not undone: turn kept")
    assert stage.world.state["kept"] == "new"
    assert stage.told(StepCompensated) == ["broken", "a"]
    [finished] = [event for event in stage.events if isinstance(event, RollbackFinished)]
    assert finished.left == ("kept: not undone: turn kept",)


def test_a_step_may_restore_a_part_and_leave_the_rest() -> None:
    stage = staged(Partly)

    run = act(stage)

    assert run.verdict == "rolled-back"
    assert (run.steps["kept"].status, run.steps["kept"].remains) == ("left-as-is", "a copy remains")
    assert stage.world.state["kept"] == "old"
    assert stage.world.what_was("undo") == ["kept", "a"]


def test_the_part_that_is_restored_is_read_once_more_in_the_end() -> None:
    stage = staged(Partly)
    stage.replace_step(Toy(stage.world, "a", undo=lambda *_: stage.world.state.update(kept="theirs")))
    stage.rewrite("kept", timeout=0.05)

    run = act(stage)

    assert run.verdict == "rollback-failed"
    assert stage.told(CompensationFailed) == ["kept"]
    assert run.differs == ("kept: it was back, and is not any more: after 0.05 s still: is theirs",)


@pytest.mark.parametrize("kept", [Silent, Partly])
@pytest.mark.parametrize("before", [True, False], ids=["before it is on disk", "after it is on disk"])
def test_a_rollback_that_is_killed_there_goes_on(kept: type[Toy], *, before: bool) -> None:
    stage = staged(kept, journal=(StepLeftAsIs, before))
    with pytest.raises(Killed):
        act(stage)
    resumed(stage)

    run = act(stage)

    assert run.verdict == "rolled-back"
    assert stage.told(StepLeftAsIs) == ["kept"]
    assert stage.told(StepCompensated) == ["broken", "a"]
    assert stage.world.what_was("undo").count("kept") == (kept is Partly)


def test_a_second_rollback_does_not_undo_it_again() -> None:
    stage = staged(Partly)
    stuck = fails(PermanentError("It is stuck."), times=1)
    stage.replace_step(Toy(stage.world, "a", undo=stuck))
    assert act(stage).verdict == "rollback-failed"
    shown: list[Preview] = []

    run = taken_back(stage, lambda preview: bool(shown.append(preview)) or True)

    assert run.verdict == "rolled-back"
    assert [line.step for line in shown[0].lines] == ["a"]
    assert stage.told(StepLeftAsIs) == ["kept"]
    assert run.steps["kept"].remains == "a copy remains"


def test_the_preview_of_an_undoing_names_what_would_be_left() -> None:
    world = World()
    stage = Stage({"a": [], "kept": ["a"]}, Silent(world, "kept"), world=world)
    assert act(stage).verdict == "deployed"
    shown: list[Preview] = []

    taken_back(stage, lambda preview: bool(shown.append(preview)) or True)

    assert [line.step for line in shown[0].lines] == ["a"]
    assert shown[0].left == ("kept: turn kept",)


def test_what_the_reader_can_do_is_part_of_a_wait_that_ended() -> None:
    class Advised(Toy):
        def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
            pass

        def restored(self, inputs: Inputs, seen: Seen) -> Restoration:
            return Waiting(reason="is new", poll_seconds=0.001, resolution="Run: turn kept")

    stage = staged(Advised).rewrite("kept", timeout=0.01)

    run = act(stage)

    assert run.differs == ("kept: after 0.01 s still: is new. Run: turn kept",)
