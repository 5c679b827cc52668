"""Back from the new path without a moment in which nobody is healthy."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import PermanentError, RefusedError
from lgtm_deploy.core.event import RollbackStarted
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.conduct import Decisions
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.undo import undo
from lgtm_deploy.fakes import fake_ports
from tests.steps.simulation import BOTH, Simulation, no_hook


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
    del world.cloud.rules["/portal"]
    watch = Watch(world)

    run = world.apply()

    assert run.verdict == "rolled-back", run.reason
    assert (world.paths(), world.tags(), world.grace()) == before
    assert watch.fewest == dict.fromkeys(BOTH, 1)
    assert watch.killed == []


@pytest.mark.parametrize(("healthy", "unhealthy"), [(2, 2), (3, 2), (2, 3), (5, 2)])
def test_where_thresholds_leave_no_margin_they_are_raised_on_the_way_back_too(
    world: Simulation, healthy: int, unhealthy: int
) -> None:
    root = world.cloud.roots[(world.stack.directory / world.stack.root("alb").root).resolve()]
    for name in BOTH:
        group = world.cloud.groups[world.service(name).target_group]
        check = replace(group.health_check, healthy_threshold=healthy, unhealthy_threshold=unhealthy)
        group.health_check = root.committed[group.name] = check
    slow(world)
    del world.cloud.rules["/portal"]
    watch = Watch(world)

    run = world.apply()

    assert run.verdict == "rolled-back", run.reason
    assert watch.fewest == dict.fromkeys(BOTH, 1)
    assert watch.killed == []
    for name in BOTH:
        check = world.cloud.groups[world.service(name).target_group].health_check
        assert (check.path, check.healthy_threshold, check.unhealthy_threshold) == ("/ready", healthy, unhealthy)


def test_a_check_stays_where_it_is_when_the_earlier_image_cannot_come_back(world: Simulation) -> None:
    del world.cloud.rules["/portal"]
    gone = PermanentError("The earlier task definition is gone.")
    sent: list[str] = []

    def refuse_the_way_back() -> None:
        if not sent and world.paths() == {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}:
            told = [type(event) for event in world.events]
            if RollbackStarted in told:
                sent.append("refused")
                world.cloud.script.fail_next("host.update", gone, times=4)

    world.clock.meanwhile = refuse_the_way_back

    run = world.apply()

    assert run.verdict == "rollback-failed"
    assert world.paths() == {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}
    assert "switch-health-checks: left as it is: deploy[" in run.reason


def undone(world: Simulation) -> Run:
    """Another process undoes the last run."""
    job = world.job()
    run = Run(id=world.last.id).folded(record.event for record in world.journal.records(world.last.id))
    job = replace(job, writer=JournalWriter(run, world.journal, 2))
    return undo(job, Decisions(approve=lambda _: True), no_hook, by="me")


def test_a_deployed_run_is_undone_without_a_gap(world: Simulation) -> None:
    before = world.paths(), world.tags(), world.grace()
    slow(world)
    assert world.apply().verdict == "deployed"
    watch = Watch(world)

    run = undone(world)

    assert (run.verdict, run.exit_code) == ("rolled-back", 0), run.reason
    assert (world.paths(), world.tags(), world.grace()) == before
    assert watch.fewest == dict.fromkeys(BOTH, 1)
    assert watch.killed == []


def test_a_run_is_not_undone_once_somebody_else_has_deployed(world: Simulation) -> None:
    world.apply()
    host = fake_ports(world.stack, world.cloud, Path()).host
    theirs = host.update(world.service("portal").ecs_service, force=True)
    before = world.paths(), world.tags(), world.grace()

    with pytest.raises(RefusedError, match="portal was deployed by somebody else since") as refused:
        undone(world)

    assert theirs.rpartition("/")[2] in str(refused.value)
    assert (world.paths(), world.tags(), world.grace()) == before


def test_a_deregistered_revision_comes_back_as_a_copy(tmp_path: Path) -> None:
    """Terraform has deregistered what the service runs, and its newer revision is not deployed."""
    world = Simulation(tmp_path)
    before = world.images("portal")
    world.running("portal").revisions[-1].active = False
    del world.cloud.rules["/portal"]

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert world.images("portal") == before
    assert world.running("portal").revisions[-1].active
