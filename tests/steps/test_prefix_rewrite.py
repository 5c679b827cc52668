"""The fix without new images: listener rules that rewrite, and nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.stack import Health, Service
from lgtm_deploy.fakes import FakeRoot
from tests.steps.simulation import Simulation

TRANSFORM = {
    "type": "url-rewrite",
    "host_header_rewrite_config": [],
    "url_rewrite_config": [{"rewrite": [{"regex": "^/tempo/(.*)$", "replace": "/$1"}]}],
}


def rule(**after: Any) -> Mapping[str, Any]:
    """The entry of a rule that is updated in place."""
    before = {"priority": 30, "transform": []}
    return {
        "address": 'module.alb.aws_lb_listener_rule.this["tempo"]',
        "mode": "managed",
        "type": "aws_lb_listener_rule",
        "name": "this",
        "index": "tempo",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {
            "actions": ["update"],
            "before": before,
            "after": before | {"transform": [TRANSFORM]} | after,
            "after_unknown": {},
            "before_sensitive": {},
            "after_sensitive": {},
        },
    }


def as_it_runs(service: Service) -> Service:
    """The stack file for this plan: no health check moves."""
    return replace(service, health=Health(path=service.health.path.removeprefix(service.prefix), body="ready"))


@pytest.fixture
def world(tmp_path: Path) -> Simulation:
    return Simulation(tmp_path, plan="prefix-rewrite", whole=True, changed=as_it_runs)


def alb(world: Simulation) -> FakeRoot:
    return world.cloud.roots[(world.stack.directory / world.stack.root("alb").root).resolve()]


def test_the_rules_change_and_no_task_is_touched(world: Simulation) -> None:
    alb(world).also.append(rule())
    rewriting(world)

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert world.cloud.called("infrastructure.apply") == 1
    assert not any(world.cloud.called(call) for call in ("host.update", "host.revise", "registry.push"))


def test_without_anything_committed_nothing_changes(world: Simulation) -> None:
    rewriting(world)

    assert world.apply().verdict == "unchanged"


def test_a_plan_that_also_moves_a_health_check_is_refused_before_anything_changes(tmp_path: Path) -> None:
    world = Simulation(tmp_path, plan="prefix-rewrite", whole=True)
    alb(world).also.append(rule())

    run = world.apply()

    assert run.verdict == "refused"
    assert "health_check" in run.reason
    assert world.cloud.called("infrastructure.apply") == 0


def test_a_rule_that_would_change_in_another_way_is_refused(world: Simulation) -> None:
    alb(world).also.append(rule(priority=31))

    run = world.apply()

    assert run.verdict == "refused"
    assert "priority" in run.reason


def rewriting(world: Simulation) -> None:
    """The load balancer as the rules make it: what users ask arrives without the prefix."""
    for name in ("tempo", "pyroscope"):
        answers = {probe.path: probe.body for probe in world.service(name).probes} | {"/ready": "ready"}
        for deployment in world.running(name).deployments:
            assert deployment.contract is not None
            deployment.contract = replace(deployment.contract, answers=answers)
