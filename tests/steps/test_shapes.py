"""Services as teams have them: without a target group, with several, with several containers, scaled during a run."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from lgtm_deploy.core.ports import ListenerRule
from lgtm_deploy.core.shadow import shadow_listener
from lgtm_deploy.core.stack import Service
from lgtm_deploy.fakes import FakeTargetGroup, fake_ports
from lgtm_deploy.steps.verify import Inputs, Verify
from tests.steps.simulation import Simulation, with_options
from tests.steps.terraform_world import NEW, TerraformWorld


def without_group(service: Service) -> Service:
    return replace(service, target_group="", kind="other") if service.name == "grafana" else service


def new_tasks(world: Simulation, name: str) -> int:
    service = world.running(name)
    return sum(task.status == "running" and task.deployment is service.deployments[-1] for task in service.tasks)


@pytest.mark.parametrize("check", ["", "/api/health"])
def test_a_service_without_a_target_group_is_deployed_and_comes_back(tmp_path: Path, check: str) -> None:
    world = Simulation(tmp_path, changed=without_group)
    world.running("grafana").check = check
    before = world.images("grafana")

    assert (run := world.apply()).verdict == "deployed", run.reason
    assert world.images("grafana") != before
    assert new_tasks(world, "grafana") == 1
    assert world.apply().verdict == "unchanged"


def test_a_service_without_a_target_group_that_is_never_healthy_brings_the_run_back(tmp_path: Path) -> None:
    world = Simulation(tmp_path, changed=without_group)
    before = world.images("grafana")
    world.clock.meanwhile = lambda: setattr(
        world.running("grafana"), "check", "/nothing" if world.images("grafana") != before else ""
    )

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert "container health check unhealthy" in run.reason
    assert world.images("grafana") == before


@pytest.mark.parametrize("plan", ["prefix-change", "prefix-change-any-order"])
def test_a_service_without_a_target_group_may_be_one_of_those_that_are_handed_over(tmp_path: Path, plan: str) -> None:
    """Loki's paths stay; no load balancer checks it."""
    world = Simulation(
        tmp_path,
        plan=plan,
        changed=lambda each: replace(each, target_group="") if each.name == "loki" else each,
    )
    world.plan = with_options(world.plan, services=(*world.services, "loki"))

    run = world.apply()

    assert run.verdict == "deployed", run.reason
    assert new_tasks(world, "loki") == 1


def test_other_containers_of_a_task_stay_as_they_are(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    world.running("portal").revisions[-1].images["agent"] = "agent:1"
    before = world.images("portal")

    assert (run := world.apply()).verdict == "deployed", run.reason

    after = world.images("portal")
    assert after["agent"] == "agent:1"
    assert after["portal"] != before["portal"]


def test_a_service_in_several_target_groups_waits_for_all_of_them(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    own = world.cloud.groups[world.service("grafana").target_group]
    inner = FakeTargetGroup(name="grafana-inner", account=world.cloud.account, health_check=own.health_check)
    world.cloud.groups[inner.name] = inner
    service = world.running("grafana")
    service.groups.append(inner)
    for task in service.tasks:
        inner.register(task, service.port, world.clock.monotonic())

    assert (run := world.apply()).verdict == "deployed", run.reason
    assert {target.status for target in inner.targets.values()} == {"healthy"}


@pytest.mark.parametrize("desired", [2, 3])
def test_a_desired_count_that_autoscaling_changes_during_the_run_is_waited_for(tmp_path: Path, desired: int) -> None:
    world = Simulation(tmp_path)
    before = world.tags()
    world.clock.meanwhile = lambda: setattr(
        world.running("portal"), "desired", desired if world.tags() != before else 1
    )

    assert (run := world.apply()).verdict == "deployed", run.reason
    assert new_tasks(world, "portal") == desired


def test_a_service_that_is_scaled_to_nothing_during_the_run_is_no_success(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    before = world.tags()
    world.clock.meanwhile = lambda: setattr(world.running("portal"), "desired", 0 if world.tags() != before else 1)

    run = world.apply(roll_back=False)

    assert run.verdict != "deployed"
    assert "desired count is 0" in run.reason


KINDS = pytest.mark.parametrize("ignored", [False, True], ids=["terraform deploys", "task definitions are ignored"])


@KINDS
@pytest.mark.parametrize("goes_well", [True, False])
def test_a_desired_count_that_changes_while_terraform_releases_stays(
    tmp_path: Path, *, ignored: bool, goes_well: bool
) -> None:
    """Terraform ignores the desired count, as every team with Application Auto Scaling has it."""
    world = TerraformWorld(tmp_path, ignored=ignored)
    before = world.arn("portal")
    world.clock.meanwhile = lambda: setattr(
        world.running("portal"), "desired", 3 if world.arn("portal") != before else world.running("portal").desired
    )
    if not goes_well:
        del world.cloud.rules["/portal"]

    run = world.apply()

    assert (run.verdict, run.differs) == ("deployed" if goes_well else "rolled-back", ()), run.reason
    assert world.running("portal").desired == 3
    assert new_tasks(world, "portal") == 3
    assert world.plain_plan(world.root if goes_well else world.before).changes == ()


@KINDS
@pytest.mark.parametrize("goes_well", [True, False])
def test_a_service_without_a_target_group_is_released_by_terraform(
    tmp_path: Path, *, ignored: bool, goes_well: bool
) -> None:
    world = TerraformWorld(tmp_path, ignored=ignored, changed=without_group)
    before = world.digests()["grafana"]
    if not goes_well:
        del world.cloud.rules["/portal"]

    run = world.apply()

    assert (run.verdict, run.differs) == ("deployed" if goes_well else "rolled-back", ()), run.reason
    assert (world.digests()["grafana"] == before) is not goes_well
    assert new_tasks(world, "grafana") == 1


def test_the_container_that_the_stack_file_names_tells_terraforms_tag(tmp_path: Path) -> None:
    """The sidecar comes first, and stays as it is."""
    world = TerraformWorld(tmp_path)
    agent = {"name": "agent", "image": "docker.io/agent:1", "essential": False}
    portal = world.service("portal").ecs_service
    world.running("portal").revisions[-1].images["agent"] = "docker.io/agent:1"
    for definition in (world.root.definitions[portal], world.before.definitions[portal], world.cloud.defined[portal]):
        definition.containers = [agent, *definition.containers]

    assert (run := world.apply()).verdict == "deployed", run.reason
    assert world.images("portal") == {
        "agent": "docker.io/agent:1",
        "portal": f"{world.cloud.address_of('lgtm-portal')}:{NEW}",
    }
    assert world.plain_plan().changes == ()


def rule(port: int, *groups: str) -> ListenerRule:
    protocol = "HTTPS" if port == 443 else "HTTP"
    return ListenerRule(listener=f"arn:{port}", port=port, protocol=protocol, priority=None, target_groups=groups)


@pytest.mark.parametrize(
    ("rules", "listener"),
    [
        ([rule(80), rule(443, "tg")], "arn:443"),
        ([rule(80, "tg"), rule(443, "tg")], "arn:80"),
        ([rule(80)], "arn:80"),
        ([], ""),
    ],
)
def test_a_shadow_goes_to_a_listener_that_forwards(rules: list[ListenerRule], listener: str) -> None:
    assert shadow_listener(rules) == listener


@pytest.mark.parametrize("task_probe", ["direct", "shadow"])
def test_a_stack_behind_https_is_changed_and_verified(tmp_path: Path, task_probe: Literal["direct", "shadow"]) -> None:
    """Its listener for HTTP only redirects."""
    world = Simulation(tmp_path)
    world.stack = replace(world.stack, environment=replace(world.stack.environment, task_probe=task_probe))
    world.cloud.protocol = "HTTPS"
    world.cloud.balancers = {name: f"https://{name}.elb.example" for name in world.cloud.balancers}
    redirect = ListenerRule(listener="arn:80", port=80, protocol="HTTP", priority=None)
    world.cloud.listener_rules.append(redirect)
    step = Verify(world.stack, fake_ports(world.stack, world.cloud, tmp_path))

    assert (run := world.apply()).verdict == "deployed", run.reason
    assert world.cloud.listener_rules == [redirect]
    found = step.look(Inputs(services=world.services)).findings
    paths = {each.id: each.level for each in found if each.check.endswith("paths")}
    assert paths == dict.fromkeys(
        ("portal: moved paths", "pyroscope: moved paths", "pyroscope: kept paths", "pyroscope: old paths"), "ok"
    )
    asked = [call.arguments["url"] for call in world.cloud.calls if call.name == "web.ask"]
    assert asked
    assert all(url.startswith("https://") for url in asked)
