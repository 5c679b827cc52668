"""A deployment is made once, is known by what ECS tells of it, and what ran before comes back."""

from pathlib import Path

import pytest

from lgtm_deploy.core.errors import InDoubtError
from lgtm_deploy.core.gate import Open, Shut
from lgtm_deploy.core.ports import DeploymentStatus
from lgtm_deploy.fakes import fake_ports
from lgtm_deploy.steps.deploy_service import DeployService, Inputs
from lgtm_deploy.steps.results import PushedImage
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
    del world.cloud.rules["/portal"]

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


@pytest.mark.parametrize("pinned_tag", ["", "before"])
def test_a_lost_answer_starts_no_second_deployment_while_its_digest_is_not_told_yet(
    tmp_path: Path, pinned_tag: str
) -> None:
    world = Simulation(tmp_path, pinned_tag=pinned_tag)
    for name in BOTH:
        world.running(name).resolves_after = 20.0
    world.cloud.script.fail_next("host.update", InDoubtError("The answer was lost."), when="after", times=4)

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert {name: len(world.running(name).deployments) for name in BOTH} == dict.fromkeys(BOTH, 2)


@pytest.mark.parametrize("status", ["ROLLBACK_FAILED", "STOPPED"])
def test_what_ecs_has_back_in_name_only_is_deployed_again(tmp_path: Path, status: DeploymentStatus) -> None:
    world = Simulation(tmp_path)
    portal = world.running("portal")
    ports = fake_ports(world.stack, world.cloud, tmp_path)
    step = DeployService(world.stack, ports)
    digest = next(iter(world.cloud.pushed))
    reference = ports.registry.reference(world.service("portal").repository, digest)
    pushed = PushedImage(service="portal", digest=digest, reference=reference)
    inputs = Inputs(pushed=pushed, releases={})
    seen = step.observe(inputs)
    step.apply(inputs, seen, lambda _: None)
    world.cloud.deploy(portal, portal.revisions[0]).finish(status, world.clock.monotonic())
    assert isinstance(step.restored(inputs, seen), Shut)

    step.compensate(inputs, seen, lambda _: None)
    step.compensate(inputs, seen, lambda _: None)

    assert len(portal.deployments) == 4, "the first, the new one, ECS's own way back, and one more"
    world.cloud.advance(300)
    assert isinstance(step.restored(inputs, seen), Open)


@pytest.mark.parametrize("pinned_tag", ["", "before"])
def test_an_image_whose_deployment_came_to_nothing_is_deployed_again(tmp_path: Path, pinned_tag: str) -> None:
    world = Simulation(tmp_path, pinned_tag=pinned_tag)
    assert world.apply().verdict == "deployed"
    portal = world.running("portal")
    portal.deployments[-1].status = "STOPPED"

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert portal.deployments[-1].status == "SUCCESSFUL"
    assert world.apply().verdict == "unchanged"
