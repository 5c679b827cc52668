"""A deployment is made once, is known by what ECS tells of it, and what ran before comes back."""

from pathlib import Path

import pytest

from tests.steps.simulation import BOTH, Simulation


def everything(world: Simulation) -> tuple[object, ...]:
    return world.paths(), world.tags(), world.grace()


def forget(world: Simulation) -> None:
    """All was deployed longer ago than ECS's history goes back."""
    for service in world.cloud.services.values():
        for deployment in service.deployments:
            deployment.forgotten = True


def digests(world: Simulation) -> dict[str, set[str]]:
    """What the running tasks run."""
    return {
        name: {task.deployment.digests[name] for task in world.running(name).tasks if task.status == "running"}
        for name in BOTH
    }


@pytest.mark.parametrize("pinned_tag", ["", "before"])
def test_what_was_deployed_longer_ago_than_ecs_tells_of_comes_back(tmp_path: Path, pinned_tag: str) -> None:
    world = Simulation(tmp_path, pinned_tag=pinned_tag)
    forget(world)
    before = world.paths(), digests(world), world.grace()
    del world.cloud.rules["/tempo"]

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert (world.paths(), digests(world), world.grace()) == before


def test_an_image_that_is_out_since_longer_than_ecs_tells_of_is_deployed_once_more(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    assert world.apply().verdict == "deployed"
    forget(world)
    before = everything(world)

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert world.paths() == before[0]
    assert world.apply().verdict == "unchanged"
