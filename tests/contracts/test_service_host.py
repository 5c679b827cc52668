"""What every service host promises."""

import pytest

from lgtm_deploy.core.errors import NotFoundError, PermanentError
from lgtm_deploy.core.ports import ContainerSpec, ServiceEvent
from lgtm_deploy.core.words import check_failure
from tests.contracts.world import CONTAINER, GOOD, MOVED, NEW, REPOSITORY, World


def reference(world: World, image: str) -> str:
    return world.registry.reference(REPOSITORY, world.digest(image))


def test_a_service_that_is_up_says_so(world: World) -> None:
    served = world.serve()

    state = world.host.service(served.name)

    assert (state.name, state.desired, state.running, state.pending) == (served.name, 1, 1, 0)
    assert state.images[CONTAINER].endswith(f"/{REPOSITORY}:{GOOD}")
    assert state.target_groups == (world.balancer.target_group(served.name).arn,)
    assert set(state.registered_ports) == set(state.target_groups)
    assert (state.minimum_healthy_percent, state.maximum_percent, state.circuit_breaker) == (100, 200, True)
    assert state.platform == "linux/amd64"
    assert state.deployment


def test_an_unknown_service_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match="no-such-service"):
        world.host.service("no-such-service")
    with pytest.raises(NotFoundError, match="no-such-service"):
        world.host.revise("no-such-service", {})
    with pytest.raises(NotFoundError, match="no-such-service"):
        world.host.update("no-such-service", force=True)


def test_a_container_is_known_as_its_task_definition_starts_it(world: World) -> None:
    served = world.serve()

    spec = world.host.container(served.name, CONTAINER)

    assert isinstance(spec, ContainerSpec)
    assert spec.secrets == ()
    with pytest.raises(NotFoundError, match="no container 'nothing'"):
        world.host.container(served.name, "nothing")
    with pytest.raises(NotFoundError, match="no-such-service"):
        world.host.container("no-such-service", CONTAINER)


def test_a_revision_changes_nothing_that_runs(world: World) -> None:
    served = world.serve()
    before = world.host.service(served.name)

    revision = world.host.revise(served.name, {CONTAINER: reference(world, NEW)})

    assert revision != before.task_definition
    assert world.host.service(served.name) == before


def test_an_unknown_container_is_permanent(world: World) -> None:
    with pytest.raises(PermanentError, match="no container 'nothing'"):
        world.host.revise(world.serve().name, {"nothing": "image:1"})


def test_a_new_revision_starts_one_deployment(world: World) -> None:
    served = world.serve()
    before = world.host.service(served.name)
    revision = world.host.revise(served.name, {CONTAINER: reference(world, NEW)})

    deployment = world.host.update(served.name, task_definition=revision)

    after = world.host.service(served.name)
    assert deployment != before.deployment
    assert (after.deployment, after.task_definition) == (deployment, revision)
    assert after.images == {CONTAINER: reference(world, NEW)}


def test_force_starts_a_deployment_of_the_same_revision(world: World) -> None:
    served = world.serve()
    before = world.host.service(served.name)

    deployment = world.host.update(served.name, force=True)

    after = world.host.service(served.name)
    assert deployment == after.deployment != before.deployment
    assert after.task_definition == before.task_definition


def test_a_grace_period_starts_no_deployment(world: World) -> None:
    served = world.serve()
    before = world.host.service(served.name)

    deployment = world.host.update(served.name, grace_period_seconds=77)

    after = world.host.service(served.name)
    assert deployment == after.deployment == before.deployment
    assert after.grace_period_seconds == 77


def test_the_revision_that_is_there_starts_no_deployment(world: World) -> None:
    served = world.serve()
    before = world.host.service(served.name)

    assert world.host.update(served.name, task_definition=before.task_definition) == before.deployment


def test_a_task_stopped_for_its_health_check_is_told_with_what_the_check_got(world: World) -> None:
    served = world.serve()
    revision = world.host.revise(served.name, {CONTAINER: reference(world, MOVED)})
    world.host.update(served.name, task_definition=revision)

    def told() -> list[ServiceEvent]:
        return [event for event in world.host.service(served.name).events if "is unhealthy in" in event.message]

    [event, *_] = world.wait(told, "the unhealthy task is told")

    assert check_failure([event]) == "Health checks failed with these codes: [404]"
    events = world.host.service(served.name).events
    assert [each.at for each in events] == sorted((each.at for each in events), reverse=True)
