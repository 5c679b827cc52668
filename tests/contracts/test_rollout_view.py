"""What every view of a rollout promises, and how a rollout goes."""

import pytest

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.ports import DeploymentState, TaskState
from tests.contracts.world import CONTAINER, DYING, GOOD, MOVED, NEW, PORT, REPOSITORY, Served, World


def deploy(world: World, served: Served, image: str) -> str:
    reference = world.registry.reference(REPOSITORY, world.digest(image))
    return world.host.update(served.name, task_definition=world.host.revise(served.name, {CONTAINER: reference}))


def settled(world: World, deployment: str, *wanted: str) -> DeploymentState:
    def look() -> DeploymentState | None:
        seen = world.rollouts.deployment(deployment)
        return seen if seen.status in wanted else None

    found = world.wait(look, f"the deployment is {wanted}")
    assert found
    return found


def tasks(world: World, served: Served, status: str) -> list[TaskState]:
    return [task for task in world.rollouts.tasks(served.name) if task.status == status]


def test_an_unknown_deployment_is_not_found(world: World) -> None:
    arn = world.host.service(world.serve().name).deployment

    with pytest.raises(NotFoundError):
        world.rollouts.deployment(f"{arn}x")


def test_a_good_image_takes_over_and_the_old_task_leaves(world: World) -> None:
    served = world.serve()
    deployment = deploy(world, served, NEW)

    done = settled(world, deployment, "SUCCESSFUL")

    assert done.arn == deployment
    assert done.task_definition == world.host.service(served.name).task_definition
    assert done.digests == {CONTAINER: world.digest(NEW)}
    assert done.failed_tasks == 0
    assert done.created_at and done.finished_at and done.created_at < done.finished_at
    [running] = tasks(world, served, "running")
    assert [(each.name, each.digest, each.exit_code) for each in running.containers] == [
        (CONTAINER, world.digest(NEW), None)
    ]
    assert running.task_definition == done.task_definition
    assert running.created_at and running.started_at and running.created_at <= running.started_at
    assert world.task_probe.ask(running.address, PORT, "/x").body.startswith(NEW)


def test_an_image_that_exits_is_rolled_back_with_its_exit_code_and_last_words(world: World) -> None:
    served = world.serve()
    before = world.host.service(served.name)
    digests = world.rollouts.deployment(before.deployment).digests
    deployment = deploy(world, served, DYING)

    done = settled(world, deployment, "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")

    assert done.status == "ROLLBACK_SUCCESSFUL"
    assert done.reason
    assert done.digests == digests != {CONTAINER: world.digest(DYING)}
    assert done.failed_tasks >= done.failure_threshold == 3
    ended = [task for task in tasks(world, served, "stopped") if task.task_definition != before.task_definition]
    assert {task.stop_code for task in ended} == {"EssentialContainerExited"}
    assert {container.exit_code for task in ended for container in task.containers} == {3}
    assert ended[0].stopped_at
    assert world.rollouts.last_lines(ended[0], CONTAINER, 1) == ("last words of dying",)
    assert world.host.service(served.name).task_definition == before.task_definition
    assert [task.task_definition for task in tasks(world, served, "running")] == [before.task_definition]


def test_a_held_image_on_another_path_stays_until_the_check_would_pass(world: World) -> None:
    served = world.serve()
    world.host.update(served.name, grace_period_seconds=600)
    deployment = deploy(world, served, MOVED)

    def two() -> list[TaskState]:
        found = tasks(world, served, "running")
        return found if len(found) > 1 else []

    both = world.wait(two, "two run")

    assert world.rollouts.deployment(deployment).status == "IN_PROGRESS"
    answers = {world.task_probe.ask(task.address, PORT, "/moved/ready").status for task in both}
    assert answers <= {200, 404}
    assert not [task for task in world.rollouts.tasks(served.name) if "health checks" in task.stopped_reason]


def test_an_image_on_another_path_is_killed_without_a_hold(world: World) -> None:
    served = world.serve()
    deploy(world, served, MOVED)

    def killed() -> list[TaskState]:
        return [task for task in world.rollouts.tasks(served.name) if "ELB health checks" in task.stopped_reason]

    [first, *_] = world.wait(killed, "a task is killed")

    assert first.stop_code == "ServiceSchedulerInitiated"


def test_a_newer_deployment_stops_the_one_under_way(world: World) -> None:
    served = world.serve()
    world.host.update(served.name, grace_period_seconds=600)
    first = deploy(world, served, MOVED)
    second = deploy(world, served, NEW)

    assert settled(world, second, "SUCCESSFUL").digests == {CONTAINER: world.digest(NEW)}
    assert world.rollouts.deployment(first).status == "STOPPED"


def test_a_task_of_another_service_is_not_shown(world: World) -> None:
    one, other = world.serve(), world.serve(GOOD)
    arns = {task.arn for task in world.rollouts.tasks(one.name)}

    assert arns.isdisjoint(task.arn for task in world.rollouts.tasks(other.name))


def test_logs_of_an_unknown_container_are_empty(world: World) -> None:
    [task] = world.rollouts.tasks(world.serve().name)

    assert list(world.rollouts.last_lines(task, "nothing", 5)) == []
