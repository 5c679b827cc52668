"""`prefix-change`, killed wherever it can be killed, and gone on with: always the goal, and nothing done twice.

A kill comes before or after a durable write, or before or after a change of the outside (it landed, and nobody was
told). Every one of them is tried, every pair of writes, and 500 random histories.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.mortal import MOMENTS, Moment, World
from tests.kills.reference import every_moment, reference
from tests.kills.shards import shards

pytestmark = pytest.mark.long

SHARDS = 16
PAIRS = 48
"""So many pairs are tried by two processes that are killed indeed, and not by a copy of what one would leave."""
RANDOM = 500
# Until somebody goes on: how often of 20, and at most so many seconds.
PAUSES = [(14, 0.0), (5, 60.0), (1, 900.0)]


def every_pair() -> Iterator[tuple[Moment, Moment]]:
    """After each write, and then after as many as are still to come."""
    writes = reference().passed["after write"]
    for first in range(1, writes + 1):
        for second in range(1, writes - first + 1):
            yield Moment(what="after write", number=first), Moment(what="after write", number=second)


def assert_goal(world: World) -> None:
    """The run says that it is done, it is, and nothing was done twice."""
    wanted = reference(shadowed=world.shadowed, terraformed=world.terraformed)
    told = f"killed {', '.join(str(life.at) for life in world.lives if life.at)}: {world.run.reason}"
    assert world.run.verdict == "deployed", told
    assert world.state() == wanted.goal, told
    made = world.changes()
    for what in wanted.changes:
        if what.startswith(("registry.push", "deployments", "infrastructure.apply")):
            assert made.get(what, 0) == wanted.changes[what], f"{what}: {told}"
        if what.startswith("host.revise"):
            # One that was made and of which nobody was told is never used.
            assert made.get(what, 0) <= len(world.lives), f"{what}: {told}"


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=2))
def test_killed_at_any_moment_it_is_gone_on_with_to_the_goal(shard: int, tmp_path: Path) -> None:
    for index, moment in enumerate(every_moment(reference().passed)[shard::SHARDS]):
        world = World(tmp_path / str(index), parallelism=1)

        killed = world.apply(moment)
        world.apply()

        assert killed.ended, f"{moment} never came"
        assert_goal(world)


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=2))
def test_killed_after_any_two_writes_it_is_gone_on_with_to_the_goal(shard: int, tmp_path: Path) -> None:
    for first in range(1 + shard, reference().passed["after write"] + 1, SHARDS):
        world = World(tmp_path / str(first), parallelism=1)
        assert world.apply(Moment(what="after write", number=first)).ended
        tried = 0
        for again in world.killed_after_each_write():
            again.apply()
            assert_goal(again)
            tried += 1
        assert tried >= reference().passed["after write"] - first


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=2))
def test_killed_twice_indeed_it_is_gone_on_with_to_the_goal(shard: int, tmp_path: Path) -> None:
    for index, moments in enumerate(random.Random(PAIRS).sample(list(every_pair()), PAIRS)[shard::SHARDS]):
        world = World(tmp_path / str(index), parallelism=1)
        for moment in moments:
            assert world.apply(moment).ended, f"{moment} never came"
        world.apply()
        assert_goal(world)


def chance(seed: int) -> tuple[list[tuple[Moment, float]], bool]:
    """Up to three kills, each with the pause until somebody goes on, and whether tasks are asked through a shadow."""
    dice = random.Random(seed)
    shadowed = dice.random() < 0.5
    passed = reference(shadowed=shadowed).passed
    longest = [seconds for often, seconds in PAUSES for _ in range(often)]
    kills = []
    for _ in range(dice.randint(1, 3)):
        what = dice.choice(MOMENTS)
        at = dice.randint(1, passed[what])
        kills.append((Moment(what=what, number=at), dice.uniform(0, dice.choice(longest))))
    return kills, shadowed


@pytest.mark.parametrize("shard", shards(SHARDS, in_ci=2))
def test_killed_at_random_again_and_again_it_is_gone_on_with_to_the_goal(shard: int, tmp_path: Path) -> None:
    for seed in range(shard, RANDOM, SHARDS):
        kills, shadowed = chance(seed)
        world = World(tmp_path / str(seed), shadowed=shadowed)
        for moment, pause in kills:
            world.apply(moment)
            world.cloud.advance(pause)
        world.apply()
        assert_goal(world)
