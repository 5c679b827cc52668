"""Back from the new path without a moment in which nobody is healthy."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.event import RollbackStarted
from tests.steps.simulation import BOTH, Simulation


@pytest.fixture
def world(tmp_path: Path) -> Simulation:
    return Simulation(tmp_path)


class Watch:
    """Notes the fewest healthy targets of each service, and every task that ECS stopped for its health."""

    def __init__(self, world: Simulation) -> None:
        self._world = world
        self.fewest: dict[str, int] = {}
        world.clock.meanwhile = self.look

    def look(self) -> None:
        self._world.cloud.catch_up()
        for name in BOTH:
            group = self._world.cloud.groups[self._world.service(name).target_group]
            healthy = sum(target.status == "healthy" for target in group.shown())
            self.fewest[name] = min(self.fewest.get(name, healthy), healthy)

    @property
    def killed(self) -> list[str]:
        services = [self._world.running(name) for name in BOTH]
        return [task.arn for service in services for task in service.tasks if "health checks" in task.reason]


def slow(world: Simulation) -> None:
    """Tasks of the image that runs now need longer to become ready than a target needs to be called unhealthy."""
    for name in BOTH:
        for digest in world.cloud.repositories[world.service(name).repository].tags.values():
            world.cloud.pushed[digest] = replace(world.cloud.pushed[digest], ready_seconds=45.0)


def test_after_the_flip_the_image_and_the_check_come_back_without_a_gap(world: Simulation) -> None:
    before = world.paths(), world.tags(), world.grace()
    slow(world)
    del world.cloud.rules["/tempo"]
    watch = Watch(world)

    run = world.apply()

    assert run.verdict == "rolled-back", run.reason
    assert (world.paths(), world.tags(), world.grace()) == before
    assert watch.fewest == dict.fromkeys(BOTH, 1)
    assert watch.killed == []


def test_a_check_stays_where_it_is_when_the_earlier_image_cannot_come_back(world: Simulation) -> None:
    del world.cloud.rules["/tempo"]
    gone = PermanentError("The earlier task definition is gone.")
    sent: list[str] = []

    def refuse_the_way_back() -> None:
        if not sent and world.paths() == {"tempo": "/tempo/ready", "pyroscope": "/pyroscope/ready"}:
            told = [type(event) for event in world.events]
            if RollbackStarted in told:
                sent.append("refused")
                world.cloud.script.fail_next("host.update", gone, times=4)

    world.clock.meanwhile = refuse_the_way_back

    run = world.apply()

    assert run.verdict == "rollback-failed"
    assert world.paths() == {"tempo": "/tempo/ready", "pyroscope": "/pyroscope/ready"}
    assert "flip: left as it is: deploy[" in run.reason
