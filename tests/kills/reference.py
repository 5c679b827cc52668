"""How a run goes that nobody kills, to hold the others against."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.kills.mortal import MOMENTS, Moment, Terraformed, World


@dataclass(frozen=True, kw_only=True)
class Reference:
    """How a run goes that nobody kills."""

    start: Mapping[str, object]
    goal: Mapping[str, object]
    changes: Mapping[str, int]
    passed: Mapping[str, int]
    undone: Mapping[str, int]
    """What a process passes that undoes it all."""


@cache
def reference(*, shadowed: bool = False, terraformed: Terraformed = "") -> Reference:
    with TemporaryDirectory() as folder:
        world = World(Path(folder), shadowed=shadowed, terraformed=terraformed, parallelism=1)
        start = world.state()
        passed = world.apply().passed
        assert world.run.verdict == "deployed"
        goal, changes = world.state(), world.changes()
        undone = world.undo().passed
        assert world.run.verdict == "rolled-back"
        assert world.state() == start
        return Reference(start=start, goal=goal, changes=changes, passed=passed, undone=undone)


def every_moment(passed: Mapping[str, int]) -> list[Moment]:
    """Each moment of such a life."""
    return [Moment(what=what, number=at) for what in MOMENTS for at in range(1, passed[what] + 1)]
