"""What shadow target groups promise: the load balancer asks a task on a path that its own target group does not ask."""

import pytest

from lgtm_deploy.core.errors import AlreadyExistsError, NotFoundError, TransientError
from lgtm_deploy.core.ports import Answer, ShadowRequest, TaskState
from tests.contracts.world import BALANCER, CONTAINER, MOVED, PORT, REPOSITORY, Served, World


def wanted(world: World, served: Served, path: str = "/x", name: str = "") -> ShadowRequest:
    return ShadowRequest(
        name=name or f"shadow-{served.name}",
        like=world.balancer.target_group(served.name).arn,
        path=path,
        port=PORT,
        load_balancer=BALANCER,
        tags={"lgtm-deploy.service": served.name},
    )


def answer(world: World, arn: str, address: str, status: int) -> Answer:
    """The first answer with that status: a task needs a moment to be ready, and the check to come round."""

    def look() -> Answer | None:
        try:
            got = world.shadow.ask(arn, address, PORT)
        except TransientError:
            return None
        return got if got.status == status else None

    found = world.wait(look, f"{address} answers {status}")
    assert found
    return found


def moved_task(world: World, served: Served) -> TaskState:
    """A new task that has no other path than /moved/ready, kept alive although its target group calls it unhealthy."""
    reference = world.registry.reference(REPOSITORY, world.digest(MOVED))
    revision = world.host.revise(served.name, {CONTAINER: reference})
    world.host.update(served.name, task_definition=revision, grace_period_seconds=600)

    def look() -> list[TaskState]:
        tasks = world.rollouts.tasks(served.name)
        return [task for task in tasks if task.status == "running" and task.task_definition == revision]

    return world.wait(look, "the new task runs")[0]


def rules_to(world: World, arn: str) -> list[str]:
    return [path for rule in world.balancer.rules(BALANCER) if arn in rule.target_groups for path in rule.paths]


def test_a_task_is_asked_on_the_new_path_by_status_only(world: World) -> None:
    served = world.serve()
    [task] = world.rollouts.tasks(served.name)
    arn = world.shadow.create(wanted(world, served))

    with pytest.raises(TransientError, match=task.address):
        world.shadow.ask(arn, task.address, PORT)

    assert answer(world, arn, task.address, 200).body is None
    world.shadow.remove(f"shadow-{served.name}")


def test_a_task_without_that_path_is_told_from_one_that_has_it(world: World) -> None:
    served = world.serve()
    [old] = world.rollouts.tasks(served.name)
    new = moved_task(world, served)
    arn = world.shadow.create(wanted(world, served))

    assert answer(world, arn, old.address, 200).status == 200
    assert answer(world, arn, new.address, 404) == Answer(status=404, body=None, seconds=0.0)

    arn = world.shadow.create(wanted(world, served, "/moved/ready"))
    assert answer(world, arn, new.address, 200).status == 200
    world.shadow.remove(f"shadow-{served.name}")


def test_a_task_that_is_not_there_is_never_healthy(world: World) -> None:
    served = world.serve()
    arn = world.shadow.create(wanted(world, served))

    def look() -> str:
        try:
            return str(world.shadow.ask(arn, "127.0.0.1", PORT + 1))
        except TransientError as error:
            return str(error) if "unhealthy" in str(error) else ""

    assert "Health checks failed" in world.wait(look, "the load balancer gives up")
    world.shadow.remove(f"shadow-{served.name}")


def test_it_checks_the_new_path_briskly_and_nobody_can_come_by(world: World) -> None:
    served = world.serve()
    own = world.balancer.target_group(served.name)
    arn = world.shadow.create(wanted(world, served))

    check = world.balancer.target_group(f"shadow-{served.name}").health_check
    assert (check.path, check.matcher) == ("/x", "200")
    assert 5 <= check.interval <= max(10, own.health_check.interval)
    assert check.timeout < check.interval
    assert (check.healthy_threshold, check.unhealthy_threshold) == (2, 2)
    [path] = rules_to(world, arn)
    assert path.startswith("/lgtm-deploy-shadow-")
    world.shadow.remove(f"shadow-{served.name}")


def test_what_is_left_of_an_earlier_run_is_found_and_replaced(world: World) -> None:
    served = world.serve()
    name = f"shadow-{served.name}"
    assert world.shadow.find(name) is None
    first = world.shadow.create(wanted(world, served))
    left = world.shadow.find(name)
    assert left
    assert (left.arn, left.complete) == (first, True)

    second = world.shadow.create(wanted(world, served, "/other"))

    assert world.balancer.target_group(name).health_check.path == "/other"
    assert world.balancer.target_group(name).arn == second
    assert len(rules_to(world, second)) == 1
    world.shadow.remove(name)


def test_removed_it_is_gone_with_its_rule_however_often_it_is_removed(world: World) -> None:
    served = world.serve()
    name = f"shadow-{served.name}"
    before = world.balancer.rules(BALANCER)
    arn = world.shadow.create(wanted(world, served))
    assert len(world.balancer.rules(BALANCER)) == len(before) + 1

    world.shadow.remove(name)
    world.shadow.remove(name)

    assert world.shadow.find(name) is None
    assert world.balancer.rules(BALANCER) == before
    with pytest.raises(NotFoundError):
        world.balancer.target_group(name)
    with pytest.raises(NotFoundError):
        world.shadow.ask(arn, "127.0.0.1", PORT)


def test_two_at_once_do_not_meet(world: World) -> None:
    served = world.serve()
    arns = [world.shadow.create(wanted(world, served, name=f"shadow-{served.name}-{each}")) for each in "ab"]

    rules = [rule for rule in world.balancer.rules(BALANCER) if set(arns) & set(rule.target_groups)]
    assert len({rule.priority for rule in rules}) == 2
    for each in "ab":
        world.shadow.remove(f"shadow-{served.name}-{each}")


def test_somebody_elses_target_group_is_left_alone(world: World) -> None:
    served = world.serve()

    assert world.shadow.find(served.name) is None
    world.shadow.remove(served.name)
    with pytest.raises(AlreadyExistsError, match=served.name):
        world.shadow.create(wanted(world, served, name=served.name))

    assert world.balancer.target_group(served.name).health_check.path == "/ready"


def test_whether_it_is_feasible_is_said_beforehand(world: World) -> None:
    assert world.shadow.feasible(BALANCER) == ""
    assert "no-such-balancer" in world.shadow.feasible("no-such-balancer")


def test_without_a_load_balancer_there_is_none(world: World) -> None:
    served = world.serve()
    request = wanted(world, served)
    lost = ShadowRequest(name=request.name, like=request.like, path="/x", port=PORT, load_balancer="no-such-balancer")
    with pytest.raises(NotFoundError, match="no-such-balancer"):
        world.shadow.create(lost)
    assert world.shadow.find(request.name) is None
