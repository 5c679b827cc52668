"""`prefix-change`, killed on the way there or back, and undone: always the start, and nothing undone twice."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kills.mortal import MOMENTS, Moment, World
from tests.kills.reference import every_moment, reference
from tests.kills.shards import shards

pytestmark = pytest.mark.long

SHARDS = 8
RANDOM, ALL_RANDOM = 48, 500


def assert_start(world: World) -> None:
    """The run says that it went back, it did, and no change was made or undone twice."""
    wanted = reference(shadowed=world.shadowed, terraformed=world.terraformed)
    told = f"killed {', '.join(str(life.at) for life in world.lives if life.at)}: {world.run.reason}"
    assert world.state() == wanted.start, told
    if any(step.acted or step.seen for step in world.run.steps.values()):
        assert world.run.verdict == "rolled-back", told
    made = world.changes()
    for what in wanted.changes:
        if what.startswith("registry.push"):
            assert made.get(what, 0) <= wanted.changes[what], f"{what}: {told}"
        if what.startswith("deployments"):
            # There and back. What Terraform has replaced is deployed on the way back alone, where it was not deployed.
            times = {0, 1, 2} if world.terraformed == "ignores" else {0, 2}
            assert made.get(what, 0) in {each * wanted.changes[what] for each in times}, f"{what}: {told}"


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=1))
def test_killed_on_the_way_there_it_is_undone(shard: int, tmp_path: Path) -> None:
    for index, moment in enumerate(every_moment(reference().passed)[shard::SHARDS]):
        world = World(tmp_path / str(index), parallelism=1)

        killed = world.apply(moment)
        world.undo()

        assert killed.ended, f"{moment} never came"
        assert_start(world)


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=1))
def test_killed_on_the_way_back_it_is_undone(shard: int, tmp_path: Path) -> None:
    for index, moment in enumerate(every_moment(reference().undone)[shard::SHARDS]):
        world = World(tmp_path / str(index), parallelism=1)
        world.apply()

        killed = world.undo(moment)
        world.undo()

        assert killed.ended, f"{moment} never came"
        assert_start(world)


def random_kills(seeds: range, folder: Path) -> None:
    for seed in seeds:
        dice = random.Random(seed)
        world = World(folder / str(seed), shadowed=dice.random() < 0.5)
        passed = reference(shadowed=world.shadowed)

        def kill(act: Callable[[Moment], object], most: dict[str, int], world: World = world) -> None:
            what = dice.choice(MOMENTS)  # noqa: B023 - it is called at once
            act(Moment(what=what, number=dice.randint(1, most[what])))  # noqa: B023
            world.cloud.advance(dice.choice([0, 0, 0, 5, 60]))  # noqa: B023

        for _ in range(dice.randint(0, 2)):
            kill(world.apply, dict(passed.passed))
        for _ in range(dice.randint(0, 2)):
            kill(world.undo, dict(passed.undone))
        world.undo()
        assert_start(world)


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=1))
def test_killed_at_random_again_and_again_it_is_undone(shard: int, tmp_path: Path) -> None:
    random_kills(range(shard, RANDOM, SHARDS), tmp_path)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_killed_at_random_many_times_more_it_is_undone(shard: int, tmp_path: Path) -> None:
    random_kills(range(RANDOM + shard, ALL_RANDOM, SHARDS), tmp_path)
