"""What plan-handover reads of the world, and what it says."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.contract import Contract, Reply, Trial
from lgtm_deploy.core.gate import Open, Shut
from lgtm_deploy.core.handover import HANDOVER_WINDOW
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.touched import Touched
from lgtm_deploy.fakes import FakeCloud, fake_ports, lay
from lgtm_deploy.steps.plan_handover import Inputs, Outputs, PlanHandover, Seen
from tests.steps.simulation import BOTH, two_moving

DOCUMENTED = ("direct", "grace-hold")


@pytest.fixture(scope="module")
def stack() -> Stack:
    return two_moving()


@pytest.fixture
def cloud(stack: Stack) -> FakeCloud:
    return lay(stack)


def contract(name: str, *, new_on_old: int = 404) -> Contract:
    old, new = "/ready", f"/{name}/ready"
    replies = {
        "new": ((old, new_on_old), (new, 200)),
        "old": ((old, 200), (new, 404)),
    }
    trials = {
        image: Trial(replies=tuple(Reply(path=path, status=code, healthy=code == 200) for path, code in answers))
        for image, answers in replies.items()
    }
    return Contract(old_path=old, new_path=new, **trials)


def moves(stack: Stack, contracts: Mapping[str, Contract]) -> Iterator[Touched]:
    """A saved plan that moves each of these services' health check to its new path."""
    for name, each in contracts.items():
        group = stack.service(name).target_group
        if each.old_path != each.new_path:
            yield Touched(type="aws_lb_target_group", name=f"x.{name}", group=group, path=each.new_path)


def looked(stack: Stack, cloud: FakeCloud, contracts: Mapping[str, Contract] | None = None) -> tuple[Inputs, Seen]:
    step = PlanHandover(stack, fake_ports(stack, cloud, Path()))
    given = contracts or {name: contract(name) for name in BOTH}
    inputs = Inputs(services=tuple(given), contracts=given, allow=DOCUMENTED, touched=tuple(moves(stack, given)))
    return inputs, step.look(inputs)


def judged(stack: Stack, cloud: FakeCloud, contracts: Mapping[str, Contract] | None = None) -> Open[Outputs] | Shut:
    gate = PlanHandover(stack, fake_ports(stack, cloud, Path())).judge(*looked(stack, cloud, contracts))
    assert isinstance(gate, Open | Shut)
    return gate


def test_it_reads_what_the_handover_depends_on(stack: Stack, cloud: FakeCloud) -> None:
    portal = cloud.services["lgtm-prod-portal"]
    portal.desired, portal.grace_period, portal.maximum_percent = 3, 40, 150
    cloud.advance(3600)

    _, seen = looked(stack, cloud)

    [facts, _] = seen.facts
    assert (facts.desired, facts.grace_period, facts.maximum_percent, facts.breaker) == (3, 40, 150, True)
    assert facts.check == cloud.groups["lgtm-prod-portal-tg"].health_check
    assert facts.deregistration_delay == cloud.groups["lgtm-prod-portal-tg"].deregistration_delay
    assert facts.oldest_age >= 3600
    assert facts.start_seconds == 1.0


def test_the_documented_change_is_held_and_a_person_is_told_why(stack: Stack, cloud: FakeCloud) -> None:
    gate = judged(stack, cloud)

    assert isinstance(gate, Open)
    assert gate.outputs.sequence == "grace-hold"
    assert gate.outputs.sequences == dict.fromkeys(BOTH, "grace-hold")
    assert gate.outputs.windows == dict.fromkeys(BOTH, HANDOVER_WINDOW)
    assert gate.outputs.variables == {}
    assert "portal sequence: grace-hold, because neither image passes on the other's path" in gate.outputs.told
    assert "pyroscope targets without health: 0 s" in gate.outputs.told


def test_what_is_not_safe_is_refused_for_every_service_at_once(stack: Stack, cloud: FakeCloud) -> None:
    bare = {
        name: replace(service, health=replace(service.health, matcher_variable="", unhealthy_threshold_variable=""))
        for name, service in stack.services.items()
    }
    for name in BOTH:
        group = cloud.groups[f"lgtm-prod-{name}-tg"]
        group.health_check = replace(group.health_check, healthy_threshold=3, unhealthy_threshold=2)

    gate = judged(replace(stack, services=bare), cloud)

    assert isinstance(gate, Shut)
    assert gate.kind == "refused"
    assert all(f"{name}: grace-hold may leave no healthy target for 10 s" in gate.reason for name in BOTH)


def test_a_check_that_moved_since_the_images_were_tried_is_refused(stack: Stack, cloud: FakeCloud) -> None:
    group = cloud.groups["lgtm-prod-portal-tg"]
    group.health_check = replace(group.health_check, path="/other")

    gate = judged(stack, cloud)

    assert isinstance(gate, Shut)
    assert gate.kind == "refused"
    assert "portal: the load balancer checks /other, and checked /ready" in gate.reason
