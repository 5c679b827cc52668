"""What Terraform would do has to be what is handed over: the same health checks, on the same paths, and no others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lgtm_deploy.fakes.cloud import FakeRoot
from tests.steps.simulation import Simulation

MUTATIONS = ("registry.push", "host.update", "host.revise", "infrastructure.apply", "shadow.create")


def root(world: Simulation) -> FakeRoot:
    return world.cloud.roots[(world.stack.directory / world.stack.root("alb").root).resolve()]


def elsewhere(world: Simulation) -> None:
    root(world).paths[world.service("portal").target_group] = "/elsewhere"


def forgotten(world: Simulation) -> None:
    root(world).paths[world.service("portal").target_group] = "/ready"


def all_forgotten(world: Simulation) -> None:
    forgotten(world)
    root(world).paths[world.service("pyroscope").target_group] = "/ready"


def bystander(world: Simulation) -> None:
    root(world).paths[world.service("mimir").target_group] = "/mimir/ready"


@pytest.mark.parametrize("plan", ["prefix-change", "prefix-change-any-order"])
@pytest.mark.parametrize(
    ("committed", "reason"),
    [
        (elsewhere, "portal: Terraform would move lgtm-prod-portal-tg to /elsewhere, and `health.path` of portal is"),
        (
            forgotten,
            "portal: Terraform leaves lgtm-prod-portal-tg on /ready, and `health.path` of portal is /portal/ready",
        ),
        (all_forgotten, "pyroscope: Terraform leaves lgtm-prod-pyroscope-tg on /ready"),
        (bystander, "Terraform would move lgtm-prod-mimir-tg to /mimir/ready as well, and nobody would wait for"),
    ],
    ids=["elsewhere", "forgotten", "all forgotten", "bystander"],
)
def test_a_health_check_that_moves_otherwise_than_it_is_handed_over_is_refused_before_anything_changes(
    tmp_path: Path, plan: str, committed: Callable[[Simulation], None], reason: str
) -> None:
    world = Simulation(tmp_path, plan=plan)
    committed(world)

    run = world.apply()

    assert run.verdict == "refused"
    assert reason in run.reason
    assert not any(world.cloud.called(call) for call in MUTATIONS)


def test_the_other_service_alone_is_handed_over_where_one_has_moved_already(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    assert world.apply().verdict == "deployed"
    portal = world.running("portal")
    world.cloud.deploy(portal, portal.revisions[0])
    group = world.cloud.groups[world.service("portal").target_group]
    group.health_check = type(group.health_check)(**{**vars(group.health_check), "path": "/ready"})
    world.cloud.advance(300)

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert world.paths() == {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}
