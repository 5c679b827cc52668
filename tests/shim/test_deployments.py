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


def test_inactive_revision_is_refused_and_runs_on_where_it_runs(cloud: Cloud) -> None:
    ecs = cloud.client("ecs")
    old = cloud.register("retired", cloud.image("app", "good"))
    cloud.serve("retired", old)
    cloud.wait_steady("retired")
    ecs.deregister_task_definition(taskDefinition=old)
    for refuse in (
        lambda: cloud.update("retired", taskDefinition=old),
        lambda: cloud.serve("retired-too", old),
        lambda: ecs.run_task(cluster=CLUSTER, taskDefinition=old),
    ):
        with pytest.raises(ClientError) as refused:
            refuse()
        assert refused.value.response["Error"]["Message"] == "TaskDefinition is inactive"
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    assert statuses(cloud, "retired") == ["SUCCESSFUL"]

    cloud.update("retired", desiredCount=2)
    cloud.wait_steady("retired")
    assert {task["taskDefinitionArn"] for task in cloud.tasks("retired")} == {old}
    with pytest.raises(ClientError, match="Unable to describe task definition"):
        ecs.describe_task_definition(taskDefinition="retired")
    new = cloud.register("retired", cloud.image("app", "new"))
    retired = cloud.register("retired", cloud.image("app", "new"))
    ecs.deregister_task_definition(taskDefinition=retired)
    newest = ecs.describe_task_definition(taskDefinition="retired")["taskDefinition"]["taskDefinitionArn"]
    assert newest == new, "a family means its newest active revision"
    assert cloud.update("retired", taskDefinition="retired")["taskDefinition"] == new
    cloud.wait_steady("retired")


def test_deployment_that_has_no_room_starts_nothing_and_says_so(cloud: Cloud) -> None:
    cloud.serve("cramped", cloud.register("cramped", cloud.image("app", "good")))
    cloud.wait_steady("cramped")
    room = {"minimumHealthyPercent": 100, "maximumPercent": 150}
    new = cloud.register("cramped", cloud.image("app", "new"))
    cloud.update("cramped", taskDefinition=new, deploymentConfiguration=room)
    said = (
        "(service cramped) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )
    wait_until(lambda: said in cloud.events("cramped"), 10, "the event is there")
    stays(lambda: cloud.service("cramped")["runningCount"] == 1, 1, "nothing is started")
    assert cloud.events("cramped").count(said) == 1
    assert statuses(cloud, "cramped")[0] == "IN_PROGRESS"
    cloud.update("cramped", deploymentConfiguration={"maximumPercent": 200})
    cloud.wait_steady("cramped")
    assert cloud.service("cramped")["taskDefinition"] == new


def test_desired_count_changed_during_a_rollout_and_a_rollback_is_kept(cloud: Cloud) -> None:
    good = cloud.register("resized", cloud.image("app", "good"))
    cloud.serve("resized", good)
    cloud.wait_steady("resized")
    moved = cloud.register("resized", cloud.image("app", "moved"))
    cloud.update("resized", taskDefinition=moved, healthCheckGracePeriodSeconds=120)
    wait_until(lambda: len(cloud.tasks("resized")) == 2, 10, "old and new run")
    cloud.update("resized", desiredCount=2)
    wait_until(lambda: len(cloud.tasks("resized")) == 3, 10, "the new deployment grows")
    assert len(statuses(cloud, "resized")) == 2
    arn = cloud.deployments("resized")[0]["serviceDeploymentArn"]
    cloud.client("ecs").stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    wait_until(lambda: statuses(cloud, "resized")[0].startswith("ROLLBACK_"), 10, "the rollback begins")
    assert cloud.update("resized", desiredCount=3)["deployments"][0]["desiredCount"] == 3
    wait_until(lambda: statuses(cloud, "resized")[0] == "ROLLBACK_SUCCESSFUL", 15, "the rollback completes")
    cloud.wait_steady("resized")
    assert cloud.service("resized")["desiredCount"] == len(cloud.tasks("resized")) == 3
    assert {task["taskDefinitionArn"] for task in cloud.tasks("resized")} == {good}
