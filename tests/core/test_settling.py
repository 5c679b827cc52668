"""When a deployment has settled, and what keeps it from settling."""

from dataclasses import replace

import pytest

from lgtm_deploy.core.gate import Gate, Open, Shut, Waiting
from lgtm_deploy.core.ports import (
    ContainerState,
    DeploymentStatus,
    HealthCheck,
    Target,
    TargetGroup,
    TargetStatus,
    TaskHealth,
    TaskState,
)
from lgtm_deploy.core.settling import settled
from tests.core.test_rollout import OURS, RUNNING, THEIRS, deployment, seen

CHECK = HealthCheck(path="/ready", matcher="200", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4)
GROUP = TargetGroup(arn="arn:tg", name="tempo-tg", health_check=CHECK, deregistration_delay=5)


def target(status: TargetStatus, description: str = "", address: str = RUNNING.address) -> Target:
    return Target(address=address, port=3200, status=status, description=description)


def with_checks(**health: TaskHealth) -> TaskState:
    containers = (ContainerState(name=name, image="x", digest=OURS, health=each) for name, each in health.items())
    return replace(RUNNING, containers=tuple(containers))


def judged(status: DeploymentStatus, *targets: Target) -> Gate[str]:
    return settled(seen(RUNNING, deployed=deployment(status)), GROUP, targets)


def test_it_has_settled_when_every_new_task_is_healthy_and_ecs_is_content() -> None:
    assert judged("SUCCESSFUL", target("healthy")) == Open(outputs=OURS)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (judged("IN_PROGRESS"), "target 10.0.0.9 in tempo-tg: not registered yet"),
        (judged("IN_PROGRESS", target("initial", "Checks in progress")), "initial: Checks in progress"),
        (
            judged("SUCCESSFUL", target("unhealthy", "Health checks failed with these codes: [404]")),
            "target 10.0.0.9 in tempo-tg: unhealthy on /ready: Health checks failed with these codes: [404]",
        ),
        (judged("IN_PROGRESS", target("healthy")), "all new targets healthy; IN_PROGRESS"),
        (
            judged("IN_PROGRESS", target("healthy"), target("draining", address="10.0.0.1")),
            "all new targets healthy; 1 old target(s) draining",
        ),
    ],
)
def test_what_is_missing_is_said(found: Gate[str], said: str) -> None:
    assert isinstance(found, Waiting)
    assert found.reason.endswith(said)


@pytest.mark.parametrize("status", ["ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"])
def test_a_finished_rollback_is_never_success_however_healthy(status: DeploymentStatus) -> None:
    assert isinstance(judged(status, target("healthy")), Shut)


def test_a_deployment_that_another_has_replaced_is_never_success_however_healthy() -> None:
    rollout = seen(RUNNING, deployed=deployment("SUCCESSFUL"), newest="arn:2")

    found = settled(rollout, GROUP, [target("healthy")])

    assert isinstance(found, Shut)
    assert found.kind == "superseded"


def test_another_digest_than_the_one_asked_for_is_never_success() -> None:
    rollout = seen(RUNNING, deployed=deployment("SUCCESSFUL"))

    assert isinstance(settled(rollout, GROUP, [target("healthy")], digest=THEIRS), Shut)


NOBODY = replace(seen(RUNNING, deployed=deployment("SUCCESSFUL")), desired=0)


@pytest.mark.parametrize("tasks", [(), (RUNNING,)])
@pytest.mark.parametrize("group", [GROUP, None])
def test_no_task_at_all_is_never_success(tasks: tuple[TaskState, ...], group: TargetGroup | None) -> None:
    found = settled(replace(NOBODY, tasks=tasks), group, [target("healthy")])

    assert isinstance(found, Waiting)
    assert "desired count is 0" in found.reason


@pytest.mark.parametrize(("desired", "opens"), [(1, True), (2, False)])
def test_as_many_tasks_as_desired_now_have_to_run(desired: int, opens: bool) -> None:
    rollout = replace(seen(RUNNING, deployed=deployment("SUCCESSFUL", desired=3 - desired)), desired=desired)

    assert isinstance(settled(rollout, GROUP, [target("healthy")]), Open) is opens


def test_without_a_target_group_running_tasks_and_a_complete_deployment_count() -> None:
    assert settled(seen(RUNNING, deployed=deployment("SUCCESSFUL")), None, ()) == Open(outputs=OURS)
    found = settled(seen(RUNNING), None, ())
    assert isinstance(found, Waiting)
    assert found.reason == "all new tasks run; IN_PROGRESS"


@pytest.mark.parametrize("health", ["unknown", "unhealthy"])
@pytest.mark.parametrize("group", [GROUP, None])
def test_a_container_health_check_has_to_pass(health: TaskHealth, group: TargetGroup | None) -> None:
    rollout = replace(seen(with_checks(tempo=health), deployed=deployment("SUCCESSFUL")), essential_checks=("tempo",))

    found = settled(rollout, group, [target("healthy")])

    assert isinstance(found, Waiting)
    assert f"container tempo: container health check {health}" in found.reason
    healthy = replace(rollout, tasks=(with_checks(tempo="healthy"),))
    assert isinstance(settled(healthy, group, [target("healthy")]), Open)


def test_only_essential_containers_with_a_check_have_to_be_healthy() -> None:
    # The task's own health is unknown: its essential container `main` has no check.
    task = with_checks(tempo="healthy", main="unknown", sidecar="unhealthy")
    rollout = replace(seen(task, deployed=deployment("SUCCESSFUL")), essential_checks=("tempo",))

    assert isinstance(settled(rollout, None, ()), Open)
    assert isinstance(settled(replace(rollout, essential_checks=()), None, ()), Open)
