"""How service deployments begin, end, give way and come back."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.shim.cloud import CLUSTER, Cloud, stays, wait_until

pytestmark = pytest.mark.sandbox


def statuses(cloud: Cloud, name: str) -> list[str]:
    return [deployment["status"] for deployment in cloud.deployments(name)]


def test_update_is_one_deployment_and_a_grace_period_is_none(cloud: Cloud) -> None:
    cloud.serve("counted", cloud.register("counted", cloud.image("app", "good")))
    cloud.wait_steady("counted")
    cloud.update("counted", healthCheckGracePeriodSeconds=33)
    assert cloud.service("counted")["healthCheckGracePeriodSeconds"] == 33
    assert statuses(cloud, "counted") == ["SUCCESSFUL"]
    cloud.update("counted", forceNewDeployment=True)
    assert statuses(cloud, "counted")[0] in {"PENDING", "IN_PROGRESS"}
    cloud.wait_steady("counted")
    [newest, oldest] = cloud.deployments("counted")
    assert (newest["status"], oldest["status"]) == ("SUCCESSFUL", "SUCCESSFUL")
    assert newest["sourceServiceRevisions"][0]["arn"] == oldest["targetServiceRevision"]["arn"]
    assert newest["createdAt"] <= newest["startedAt"] <= newest["finishedAt"] == newest["updatedAt"]
    assert newest["deploymentCircuitBreaker"] == {"status": "MONITORING_COMPLETE", "failureCount": 0, "threshold": 3}


def test_forced_deployment_resolves_a_moved_tag_again(cloud: Cloud, server: object) -> None:
    first = cloud.push(server, "retagged", "live", MARK="one", DEFAULT=200)  # type: ignore[arg-type]
    cloud.serve("retagged", cloud.register("retagged", cloud.image("retagged", "live")))
    cloud.wait_steady("retagged")
    second = cloud.push(server, "retagged", "live", MARK="two", DEFAULT=200)  # type: ignore[arg-type]
    [task] = cloud.tasks("retagged")
    cloud.client("ecs").stop_task(cluster=CLUSTER, task=task["taskArn"])
    wait_until(lambda: [t for t in cloud.tasks("retagged") if t["lastStatus"] == "RUNNING"], 10, "a replacement runs")
    cloud.wait_steady("retagged")
    assert cloud.tasks("retagged")[0]["containers"][0]["imageDigest"] == first != second
    cloud.update("retagged", forceNewDeployment=True)
    cloud.wait_steady("retagged")
    assert cloud.tasks("retagged")[0]["containers"][0]["imageDigest"] == second


def test_newer_deployment_supersedes_an_older_one(cloud: Cloud) -> None:
    cloud.serve("superseded", cloud.register("superseded", cloud.image("app", "good")))
    cloud.wait_steady("superseded")
    moved = cloud.register("superseded", cloud.image("app", "moved"))
    cloud.update("superseded", taskDefinition=moved, healthCheckGracePeriodSeconds=120)
    wait_until(lambda: len(cloud.tasks("superseded")) == 2, 10, "old and new run")
    cloud.update("superseded", taskDefinition=cloud.register("superseded", cloud.image("app", "new")))
    cloud.wait_steady("superseded")
    assert statuses(cloud, "superseded") == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]
    superseded = cloud.deployments("superseded")[1]
    assert "rollback" not in superseded
    assert "new service deployment" in superseded["statusReason"]


def test_breaker_rollback_is_told_apart_from_success(cloud: Cloud) -> None:
    good = cloud.register("tripped", cloud.image("app", "good"))
    cloud.serve("tripped", good)
    cloud.wait_steady("tripped")
    cloud.update("tripped", taskDefinition=cloud.register("tripped", cloud.image("app", "dying")))
    wait_until(lambda: statuses(cloud, "tripped")[0] == "ROLLBACK_SUCCESSFUL", 30, "the rollback completes")
    [failed, first] = cloud.deployments("tripped")
    assert failed["deploymentCircuitBreaker"]["status"] == "TRIGGERED"
    assert failed["deploymentCircuitBreaker"]["failureCount"] == 3
    assert failed["rollback"]["serviceRevisionArn"] == first["targetServiceRevision"]["arn"]
    assert "circuit breaker" in failed["rollback"]["reason"]
    assert cloud.is_steady("tripped")
    assert cloud.service("tripped")["taskDefinition"] == good
    moves = [(r["from"], r["to"]) for r in cloud.records("deployment", service="tripped", field="status")][3:]
    assert moves == [
        (None, "PENDING"),
        ("PENDING", "IN_PROGRESS"),
        ("IN_PROGRESS", "ROLLBACK_IN_PROGRESS"),
        ("ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"),
    ]


def test_breaker_without_rollback_leaves_the_old_tasks(cloud: Cloud) -> None:
    configuration = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    service = cloud.serve("stuck", cloud.register("stuck", cloud.image("app", "good")))
    cloud.wait_steady("stuck")
    dying = cloud.register("stuck", cloud.image("app", "dying"))
    cloud.update("stuck", taskDefinition=dying, deploymentConfiguration=configuration)
    wait_until(lambda: statuses(cloud, "stuck")[0] == "STOPPED", 30, "the deployment fails")
    primary = cloud.service("stuck")["deployments"][0]
    assert (primary["status"], primary["rolloutState"]) == ("PRIMARY", "FAILED")
    stays(lambda: cloud.get(service.path).headers.get("x-mark") == "good", 1, "the old task serves")


def test_stop_service_deployment_rolls_back(cloud: Cloud) -> None:
    good = cloud.register("stopped", cloud.image("app", "good"))
    service = cloud.serve("stopped", good)
    cloud.wait_steady("stopped")
    moved = cloud.register("stopped", cloud.image("app", "moved"))
    cloud.update("stopped", taskDefinition=moved, healthCheckGracePeriodSeconds=120)
    wait_until(lambda: "unhealthy" in cloud.states(service.target_group), 15, "the new task is checked")
    ecs, arn = cloud.client("ecs"), cloud.deployments("stopped")[0]["serviceDeploymentArn"]
    assert ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")["serviceDeploymentArn"] == arn
    wait_until(lambda: statuses(cloud, "stopped")[0] == "ROLLBACK_SUCCESSFUL", 15, "the rollback completes")
    assert cloud.service("stopped")["taskDefinition"] == good
    assert cloud.states(service.target_group) == ["healthy"]
    with pytest.raises(ClientError) as refused:
        ecs.stop_service_deployment(serviceDeploymentArn=arn)
    assert refused.value.response["Error"]["Code"] == "ConflictException"


def test_four_tasks_roll_without_losing_capacity(cloud: Cloud) -> None:
    service = cloud.serve("four", cloud.register("four", cloud.image("app", "good")), desiredCount=3)
    cloud.wait_steady("four")
    cloud.update("four", desiredCount=4)
    cloud.wait_steady("four")
    wait_until(lambda: cloud.states(service.target_group) == ["healthy"] * 4, 10, "the fourth is healthy")
    assert statuses(cloud, "four") == ["SUCCESSFUL"]
    cloud.update("four", taskDefinition=cloud.register("four", cloud.image("app", "new")))
    cloud.wait_steady("four", 30)
    assert cloud.lowest_healthy("four", after=4) == 4
    assert {task["containers"][0]["imageDigest"] for task in cloud.tasks("four")} == {
        cloud.client("ecr").describe_images(repositoryName="app", imageIds=[{"imageTag": "new"}])["imageDetails"][0][
            "imageDigest"
        ]
    }
    cloud.update("four", desiredCount=1)
    cloud.wait_steady("four")
    wait_until(lambda: cloud.states(service.target_group) == ["healthy"], 10, "the surplus is gone")


def test_deleted_service_drains_and_becomes_inactive(cloud: Cloud) -> None:
    service = cloud.serve("deleted", cloud.register("deleted", cloud.image("app", "good")))
    cloud.wait_steady("deleted")
    answer = cloud.client("ecs").delete_service(cluster=CLUSTER, service="deleted", force=True)
    assert answer["service"]["status"] == "DRAINING"
    wait_until(lambda: cloud.service("deleted")["status"] == "INACTIVE", 15, "the service is inactive")
    assert cloud.states(service.target_group) == []
