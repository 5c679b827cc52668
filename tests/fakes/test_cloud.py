"""A fake cloud behaves as ECS and its load balancer do, and does what its script says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import InDoubtError, TransientError
from lgtm_deploy.core.ports import BuildRequest, Ports
from lgtm_deploy.core.stack import Environment, Health, Paths, Probe, Stack, TerraformRoot
from lgtm_deploy.fakes import Contract, FakeClock, FakeCloud, Source, fake_ports, lay
from tests.stacks import make_service

TEMPO = make_service(
    name="tempo",
    context="dockerfiles/tempo",
    repository="lgtm-tempo",
    ecs_service="tempo-service",
    container="tempo",
    port=3200,
    target_group="tempo-tg",
    prefix="/tempo",
    health=Health(path="/tempo/ready", body="ready", variable="tempo_health_check_path"),
    paths=Paths(moves=("/ready", "/api/echo")),
    probes=(Probe(path="/tempo/api/echo", body="echo"),),
)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    environment = Environment(
        name="sandbox",
        region="eu-west-1",
        account="123456789012",
        cluster="lgtm",
        load_balancer="lgtm-alb",
        terraform={"ecs": TerraformRoot(root="60-ecs"), "alb": TerraformRoot(root="50-alb")},
    )
    return Stack(name="lgtm", directory=tmp_path, services={"tempo": TEMPO}, environment=environment)


@pytest.fixture
def cloud(stack: Stack) -> FakeCloud:
    return lay(stack)


@pytest.fixture
def ports(stack: Stack, cloud: FakeCloud, tmp_path: Path) -> Ports:
    return fake_ports(stack, cloud, tmp_path / "run")


def quiet(_: str) -> None:
    """Nobody listens."""


def deploy(stack: Stack, ports: Ports) -> str:
    request = BuildRequest(
        context=stack.directory / TEMPO.context, dockerfile="Dockerfile", build_args={}, platform="linux/amd64"
    )
    tag = ports.builder.identity(request)
    digest = ports.registry.push(ports.builder.build(request, {}, quiet).id, TEMPO.repository, tag, quiet)
    reference = ports.registry.reference(TEMPO.repository, digest)
    revision = ports.host.revise(TEMPO.ecs_service, {"tempo": reference})
    return ports.host.update(TEMPO.ecs_service, task_definition=revision)


def flip(stack: Stack, ports: Ports, **variables: str) -> int:
    root = stack.directory / "50-alb"
    planned = ports.infrastructure.plan(root, [], variables, ports.workspace / "alb.tfplan", quiet)
    ports.infrastructure.apply(root, planned, quiet)
    return len(planned.changes)


def running(ports: Ports) -> int:
    return sum(task.status == "running" for task in ports.rollouts.tasks(TEMPO.ecs_service))


def healthy(ports: Ports) -> int:
    group = ports.balancer.target_group(TEMPO.target_group)
    return sum(target.status == "healthy" for target in ports.balancer.targets(group.arn))


def test_before_the_change_the_old_image_runs_on_the_old_path(ports: Ports) -> None:
    assert ports.balancer.target_group("tempo-tg").health_check.path == "/ready"
    assert (running(ports), healthy(ports)) == (1, 1)
    assert ports.stack_probe.ask("/tempo/api/echo").status == 404


def test_grace_hold_carries_a_service_over_without_a_gap(stack: Stack, cloud: FakeCloud, ports: Ports) -> None:
    ports.host.update(TEMPO.ecs_service, grace_period_seconds=1800)
    deployment = deploy(stack, ports)
    cloud.advance(60)
    assert ports.rollouts.deployment(deployment).status == "IN_PROGRESS"
    assert running(ports) == 2

    assert flip(stack, ports) == 1
    for _ in range(60):
        assert healthy(ports) >= 1
        cloud.advance(1)

    assert ports.rollouts.deployment(deployment).status == "SUCCESSFUL"
    assert running(ports) == 1
    assert ports.stack_probe.ask("/tempo/api/echo").body == "echo"
    assert flip(stack, ports) == 0


def test_without_a_hold_new_tasks_are_killed_and_the_breaker_rolls_back(
    stack: Stack, cloud: FakeCloud, ports: Ports
) -> None:
    before = ports.host.service(TEMPO.ecs_service).task_definition
    deployment = deploy(stack, ports)
    cloud.advance(300)

    assert ports.rollouts.deployment(deployment).status == "ROLLBACK_SUCCESSFUL"
    assert ports.rollouts.deployment(deployment).failed_tasks == 3
    assert ports.host.service(TEMPO.ecs_service).task_definition == before
    assert (running(ports), healthy(ports)) == (1, 1)


def test_the_flip_alone_kills_the_old_tasks(stack: Stack, cloud: FakeCloud, ports: Ports) -> None:
    flip(stack, ports)
    cloud.advance(30)

    assert "health checks" in ports.rollouts.tasks(TEMPO.ecs_service)[0].stopped_reason
    assert healthy(ports) == 0


def test_a_variable_brings_the_old_path_back(stack: Stack, ports: Ports) -> None:
    flip(stack, ports)
    flip(stack, ports, tempo_health_check_path="/ready")

    assert ports.balancer.target_group("tempo-tg").health_check.path == "/ready"


def test_a_slow_image_is_ready_when_it_says(stack: Stack, cloud: FakeCloud, ports: Ports) -> None:
    slow = Contract(answers={"/ready": "ready"}, ready_seconds=15)
    cloud.sources[(stack.directory / TEMPO.context).resolve()] = Source(contract=slow)
    deployment = deploy(stack, ports)
    cloud.advance(10)
    [task] = [task for task in ports.rollouts.tasks(TEMPO.ecs_service) if task.status == "running"][1:]

    assert ports.task_probe.ask(task.address, 3200, "/ready").status == 503
    cloud.advance(60)
    assert ports.rollouts.deployment(deployment).status == "SUCCESSFUL"


def test_an_image_that_cannot_be_pulled_fails_the_deployment(cloud: FakeCloud, ports: Ports) -> None:
    revision = ports.host.revise(TEMPO.ecs_service, {"tempo": "elsewhere/lgtm-tempo:no-such-tag"})
    deployment = ports.host.update(TEMPO.ecs_service, task_definition=revision)
    cloud.advance(60)

    assert ports.rollouts.deployment(deployment).status == "ROLLBACK_SUCCESSFUL"
    assert any("CannotPullContainerError" in task.stopped_reason for task in ports.rollouts.tasks("tempo-service"))


def test_no_time_passes_by_itself(stack: Stack, ports: Ports) -> None:
    deployment = deploy(stack, ports)

    assert {ports.rollouts.deployment(deployment).status for _ in range(5)} == {"PENDING"}


def test_the_same_story_is_the_same_each_time(stack: Stack, tmp_path: Path) -> None:
    def story() -> object:
        cloud = lay(stack, FakeClock())
        ports = fake_ports(stack, cloud, tmp_path)
        deploy(stack, ports)
        cloud.advance(300)
        return cloud.calls, ports.rollouts.tasks(TEMPO.ecs_service)

    assert story() == story()


def test_a_fault_before_the_call_leaves_nothing(cloud: FakeCloud, ports: Ports) -> None:
    cloud.script.fail_next("host.update", InDoubtError("Lost."), when="before")
    before = ports.host.service(TEMPO.ecs_service)

    with pytest.raises(InDoubtError):
        ports.host.update(TEMPO.ecs_service, force=True)
    assert ports.host.service(TEMPO.ecs_service) == before


def test_a_fault_after_the_call_leaves_the_change(cloud: FakeCloud, ports: Ports) -> None:
    cloud.script.fail_next("host.update", InDoubtError("Lost."), when="after")
    before = ports.host.service(TEMPO.ecs_service)

    with pytest.raises(InDoubtError):
        ports.host.update(TEMPO.ecs_service, force=True)
    assert ports.host.service(TEMPO.ecs_service).deployment != before.deployment


def test_throttling_passes_after_so_many_calls(cloud: FakeCloud, ports: Ports) -> None:
    cloud.script.throttle("host.service", 2)
    look: Callable[[], object] = lambda: ports.host.service(TEMPO.ecs_service)  # noqa: E731 - a call to repeat

    for _ in range(2):
        with pytest.raises(TransientError, match="Rate exceeded"):
            look()
    assert look()


def test_calls_are_recorded_with_their_arguments(cloud: FakeCloud, ports: Ports) -> None:
    ports.host.update(TEMPO.ecs_service, grace_period_seconds=60)

    assert cloud.called("host.update") == 1
    assert cloud.calls[-1].arguments["grace_period_seconds"] == 60
