"""What every balancer promises."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.ports import Target
from tests.contracts.world import BALANCER, PORT, World


def test_a_target_group_tells_how_it_checks(world: World) -> None:
    served = world.serve()

    group = world.balancer.target_group(served.name)

    assert group.name == served.name
    assert (group.health_check.path, group.health_check.matcher) == ("/ready", "200")
    assert group.health_check.interval > 0
    assert group.health_check.healthy_threshold == 2
    assert group.deregistration_delay > 0


def test_an_unknown_target_group_or_balancer_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError, match="no-such-group"):
        world.balancer.target_group("no-such-group")
    with pytest.raises(NotFoundError):
        world.balancer.targets(world.balancer.target_group(world.serve().name).arn + "0")
    with pytest.raises(NotFoundError, match="no-such-balancer"):
        world.balancer.address("no-such-balancer")
    with pytest.raises(NotFoundError, match="no-such-balancer"):
        world.balancer.rules("no-such-balancer")


def test_a_running_task_becomes_a_healthy_target(world: World) -> None:
    served = world.serve()
    group = world.balancer.target_group(served.name)
    [task] = world.rollouts.tasks(served.name)

    def healthy() -> list[Target]:
        return [target for target in world.balancer.targets(group.arn) if target.status == "healthy"]

    [target] = world.wait(healthy, "the target is healthy")

    assert (target.address, target.port, target.reason) == (task.address, PORT, "")


def test_a_balancer_has_a_url(world: World) -> None:
    assert world.balancer.address(BALANCER).startswith("http")


def test_a_rule_tells_paths_and_target_groups(world: World) -> None:
    served = world.serve()
    group = world.balancer.target_group(served.name)

    [rule] = [rule for rule in world.balancer.rules(BALANCER) if group.arn in rule.target_groups]

    assert rule.paths == (f"/{served.name}/*",)
    assert rule.priority is not None
    assert (rule.port, rule.protocol) == (80, "HTTP")
    assert ":listener/" in rule.listener
    assert not rule.conditional
    assert not rule.rewrites


def test_rules_are_in_the_order_in_which_they_are_tried(world: World) -> None:
    world.serve()
    world.serve()

    rules = world.balancer.rules(BALANCER)
    priorities = [rule.priority for rule in rules if rule.priority is not None]

    assert priorities == sorted(priorities)
    assert all(rule.priority is not None for rule in rules[: len(priorities)])


def test_a_health_check_can_be_set_and_is_then_asked(world: World) -> None:
    served = world.serve()
    group = world.balancer.target_group(served.name)
    wanted = replace(group.health_check, path="/tempo/ready", matcher="200,404", unhealthy_threshold=7)

    world.balancer.set_health_check(group.arn, wanted)

    assert world.balancer.target_group(served.name).health_check == wanted


def test_the_health_check_of_a_group_that_is_not_there_cannot_be_set(world: World) -> None:
    group = world.balancer.target_group(world.serve().name)

    with pytest.raises(NotFoundError):
        world.balancer.set_health_check(group.arn[:-1] + "f0", group.health_check)
