"""When a deployment has settled, and what keeps it from settling."""

import pytest

from lgtm_deploy.core.gate import Gate, Open, Shut, Waiting
from lgtm_deploy.core.ports import DeploymentStatus, HealthCheck, Target, TargetGroup, TargetStatus
from lgtm_deploy.core.settling import settled
from tests.core.test_rollout import OURS, RUNNING, THEIRS, deployment, seen

CHECK = HealthCheck(path="/ready", matcher="200", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4)
GROUP = TargetGroup(arn="arn:tg", name="tempo-tg", health_check=CHECK, deregistration_delay=5)


def target(status: TargetStatus, description: str = "", address: str = RUNNING.address) -> Target:
    return Target(address=address, port=3200, status=status, description=description)


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
