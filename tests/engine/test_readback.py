"""The end state of a rollback is read once more, and compared with what was recorded."""

from collections.abc import Callable

import pytest

from lgtm_deploy.core.errors import PermanentError, TransientError
from lgtm_deploy.core.event import CompensationFailed, RollbackFinished
from lgtm_deploy.core.gate import Gate
from tests.engine.acting import act, taken_back
from tests.engine.toys import Inputs, Seen, Stage, Toy, World, fails

BROKEN = PermanentError("It broke.")
CHAIN = {"a": [], "b": ["a"], "broken": ["b"]}


class Shared(Toy):
    """Turns what others turn, too."""

    def __init__(self, world: World, name: str, place: str) -> None:
        super().__init__(world, name)
        self.place = place

    def thing(self, inputs: Inputs) -> str:
        return self.place

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        self.world.did(f"looked {self.name}")
        return super().restored(inputs, seen)


def staged(meanwhile: Callable[[World], object]) -> Stage:
    """`b` comes back first; something happens while `a` does."""
    world = World()
    a = Toy(world, "a", undo=lambda *_: meanwhile(world))
    stage = Stage(CHAIN, a, Toy(world, "broken", before=fails(BROKEN)), world=world)
    return stage.rewrite("b", timeout=0.05)


def test_what_changes_after_it_was_back_is_a_rollback_that_failed() -> None:
    stage = staged(lambda world: world.state.update(b="theirs"))

    run = act(stage)

    assert (run.verdict, run.exit_code) == ("rollback-failed", 3)
    assert run.differs == ("b: it was back, and is not any more: after 0.05 s still: is theirs",)
    told = [event for event in stage.events if isinstance(event, RollbackFinished)]
    assert told[0].differs == run.differs
    assert stage.told(CompensationFailed) == ["b"]


def test_what_was_lost_again_is_undone_again_on_request() -> None:
    stage = staged(lambda world: world.state.update(b="theirs"))
    act(stage)

    run = taken_back(stage)

    assert run.verdict == "rolled-back"
    assert stage.world.state["b"] == "old"


def test_what_stays_as_it_was_found_is_rolled_back() -> None:
    stage = staged(lambda _: None)

    run = act(stage)

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert stage.told(CompensationFailed) == []


@pytest.mark.parametrize("place", ["shared", ""])
def test_of_what_several_steps_change_the_first_look_is_the_start_state(place: str) -> None:
    world = World()
    first, last = Shared(world, "a", place), Shared(world, "b", place)
    stage = Stage(CHAIN, first, last, Toy(world, "broken", before=fails(BROKEN)), world=world)

    assert act(stage).verdict == "rolled-back"

    end = world.log[world.log.index("StepCompensated a") :]
    assert ("looked a" in end, "looked b" in end) == (True, place == "")


def test_a_look_that_fails_for_a_moment_is_tried_again() -> None:
    world = World()
    errors = [TransientError("Rate exceeded.")]

    class Throttled(Toy):
        def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
            if "StepCompensated a" in world.log and errors:
                raise errors.pop()
            return super().restored(inputs, seen)

    stage = Stage(CHAIN, Throttled(world, "a"), Toy(world, "broken", before=fails(BROKEN)), world=world)

    assert act(stage).verdict == "rolled-back"
    assert errors == []
