"""The handover hazard happens here as it does on AWS: safe with a hold, deadly without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shim.cloud import Cloud, Service, wait_until

pytestmark = pytest.mark.sandbox
# Unhealthy threshold = healthy + 2: checks of two targets have independent phases.
WIDE = {"HealthyThresholdCount": 2, "UnhealthyThresholdCount": 4}


@pytest.fixture(scope="module")
def old(cloud: Cloud, server: Path) -> None:
    cloud.push(server, "app", "old", MARK="old", ROUTES="/ready=200", DEFAULT=404)


def flip(cloud: Cloud, service: Service) -> None:
    change = {"HealthCheckPath": "/moved/ready", "Matcher": {"HttpCode": "200"}}
    cloud.client("elbv2").modify_target_group(TargetGroupArn=service.target_group, **change)


@pytest.mark.usefixtures("old")
def test_grace_hold_keeps_a_healthy_target_and_kills_nothing(cloud: Cloud) -> None:
    service = cloud.serve("held", cloud.register("held", cloud.image("app", "old")), checks=WIDE)
    cloud.wait_steady("held")
    moved = cloud.register("held", cloud.image("app", "moved"))
    cloud.update("held", taskDefinition=moved, healthCheckGracePeriodSeconds=120)
    wait_until(lambda: cloud.states(service.target_group) == ["healthy", "unhealthy"], 15, "the new task is held")
    flip(cloud, service)
    cloud.wait_steady("held", 30)
    cloud.update("held", healthCheckGracePeriodSeconds=0)
    assert cloud.lowest_healthy("held", after=1) == 1
    assert not [r for r in cloud.records("task", service="held") if "failed ELB" in (r["reason"] or "")]
    assert [d["status"] for d in cloud.deployments("held")] == ["SUCCESSFUL", "SUCCESSFUL"]


@pytest.mark.usefixtures("old")
def test_flip_before_the_images_kills_the_old_tasks_again_and_again(cloud: Cloud) -> None:
    service = cloud.serve("flipped", cloud.register("flipped", cloud.image("app", "old")))
    cloud.wait_steady("flipped")
    flip(cloud, service)
    wait_until(lambda: len(cloud.tasks("flipped", "STOPPED")) >= 2, 20, "a replacement is killed as well")
    assert cloud.lowest_healthy("flipped", after=1) == 0
    assert [d["status"] for d in cloud.deployments("flipped")] == ["SUCCESSFUL"]
    cloud.update("flipped", desiredCount=0)
