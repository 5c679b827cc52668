"""`prefix-change` with task definitions that Terraform manages, killed anywhere: the goal, or the start, all the same.

Terraform applies each service once and deploys it once, whoever had begun it. The revision that it has is the one that
runs, so that a plain plan is empty in the end.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.kills.mortal import CHANGES, Moment, Terraformed, World
from tests.kills.reference import every_moment, reference
from tests.kills.shards import shards
from tests.kills.test_kill_matrix import assert_goal
from tests.kills.test_kill_rollback import assert_start

KINDS: list[Terraformed] = ["deploys", "ignores"]
SHARDS = 4


@cache
def after_releases(kind: Terraformed) -> tuple[list[Moment], list[Moment]]:
    """The moments right after Terraform has applied something or a revision was deployed: on the way there, and on the
    way back."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder), terraformed=kind, parallelism=1)
        passed = world.apply().passed["before change"]
        world.undo()
        numbers = _releases(world)
    there = [Moment(what="after change", number=each) for each in numbers if each <= passed]
    return there, [Moment(what="after change", number=each - passed) for each in numbers if each > passed]


def during_applies(kind: Terraformed) -> list[Moment]:
    """The moments in which Terraform is about to apply something on the way there."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder), terraformed=kind, parallelism=1)
        world.apply()
    changes = [call.name for call in world.cloud.calls if call.name in CHANGES]
    numbers = (number for number, name in enumerate(changes, start=1) if name == "infrastructure.apply")
    return [Moment(what="before change", number=each) for each in numbers]


def _releases(world: World) -> list[int]:
    changes = [call for call in world.cloud.calls if call.name in CHANGES]
    return [
        number
        for number, call in enumerate(changes, start=1)
        if call.name == "infrastructure.apply" or call.arguments.get("task_definition")
    ]


def gone_on_with(world: World, moment: Moment) -> None:
    killed = world.apply(moment)
    world.apply()

    assert killed.ended, f"{moment} never came"
    assert_goal(world)


def undone(world: World, moment: Moment) -> None:
    killed = world.apply(moment)
    world.undo()

    assert killed.ended, f"{moment} never came"
    assert_start(world)


def undone_twice(world: World, moment: Moment) -> None:
    world.apply()
    killed = world.undo(moment)
    world.undo()

    assert killed.ended, f"{moment} never came"
    assert_start(world)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_after_a_release_it_is_gone_on_with_to_the_goal(kind: Terraformed, tmp_path: Path) -> None:
    for index, moment in enumerate(after_releases(kind)[0]):
        gone_on_with(World(tmp_path / str(index), terraformed=kind, parallelism=1), moment)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_after_a_release_it_is_undone(kind: Terraformed, tmp_path: Path) -> None:
    for index, moment in enumerate(after_releases(kind)[0]):
        undone(World(tmp_path / str(index), terraformed=kind, parallelism=1), moment)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_after_a_release_was_taken_back_the_rest_is_undone(kind: Terraformed, tmp_path: Path) -> None:
    for index, moment in enumerate(after_releases(kind)[1]):
        undone_twice(World(tmp_path / str(index), terraformed=kind, parallelism=1), moment)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_during_an_apply_it_is_gone_on_with_to_the_goal(kind: Terraformed, tmp_path: Path) -> None:
    """Terraform outlives the process, and ends its work once the next one waits for the state's lock."""
    for index, moment in enumerate(during_applies(kind)):
        world = World(tmp_path / str(index), terraformed=kind, outliving=[], parallelism=1)
        gone_on_with(world, moment)


@pytest.mark.parametrize("kind", KINDS)
def test_killed_during_an_apply_it_is_undone(kind: Terraformed, tmp_path: Path) -> None:
    for index, moment in enumerate(during_applies(kind)):
        undone(World(tmp_path / str(index), terraformed=kind, outliving=[], parallelism=1), moment)


@pytest.mark.long
@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=1))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment_it_is_gone_on_with_to_the_goal(kind: Terraformed, shard: int, tmp_path: Path) -> None:
    for index, moment in enumerate(every_moment(reference(terraformed=kind).passed)[shard::SHARDS]):
        gone_on_with(World(tmp_path / str(index), terraformed=kind, parallelism=1), moment)


@pytest.mark.long
@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=1))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment_on_the_way_there_it_is_undone(kind: Terraformed, shard: int, tmp_path: Path) -> None:
    for index, moment in enumerate(every_moment(reference(terraformed=kind).passed)[shard::SHARDS]):
        undone(World(tmp_path / str(index), terraformed=kind, parallelism=1), moment)


@pytest.mark.long
@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=1))
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_moment_on_the_way_back_it_is_undone(kind: Terraformed, shard: int, tmp_path: Path) -> None:
    for index, moment in enumerate(every_moment(reference(terraformed=kind).undone)[shard::SHARDS]):
        undone_twice(World(tmp_path / str(index), terraformed=kind, parallelism=1), moment)
