"""The truths of the sandbox. Each of these tests fails on unmodified MiniStack (test_control.py proves it)."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.shim.cloud import CLUSTER, Cloud, stays, wait_until

pytestmark = pytest.mark.sandbox


def test_target_health_comes_from_real_checks(cloud: Cloud) -> None:
    """Truth 1: path, matcher and reason codes are the target group's and AWS's."""
    definition = cloud.register("checked", cloud.image("app", "moved"))
    service = cloud.serve("checked", definition, healthCheckGracePeriodSeconds=120)
    mismatch = [("unhealthy", "Target.ResponseCodeMismatch")]
    wait_until(lambda: cloud.targets(service.target_group) == mismatch, 10, "the wrong path is unhealthy")
    cloud.client("elbv2").modify_target_group(TargetGroupArn=service.target_group, HealthCheckPath="/moved/ready")
    wait_until(lambda: cloud.states(service.target_group) == ["healthy"], 10, "the right path is healthy")


def test_deployment_completes_only_when_its_targets_are_healthy(cloud: Cloud) -> None:
    """Truth 2: a rollout waits for target health and keeps the old task serving until then."""
    service = cloud.serve("waiting", cloud.register("waiting", cloud.image("app", "good")))
    cloud.wait_steady("waiting")
    moved = cloud.register("waiting", cloud.image("app", "moved"))
    cloud.update("waiting", taskDefinition=moved, healthCheckGracePeriodSeconds=120)
    wait_until(lambda: cloud.states(service.target_group) == ["healthy", "unhealthy"], 15, "the new task is checked")
    stays(lambda: not cloud.is_steady("waiting"), 2, "the deployment is in progress")
    assert cloud.get(service.path).headers["x-mark"] == "good"
    change = {"HealthCheckPath": "/moved/ready", "Matcher": {"HttpCode": "200"}}
    cloud.client("elbv2").modify_target_group(TargetGroupArn=service.target_group, **change)
    cloud.wait_steady("waiting")
    assert cloud.states(service.target_group) == ["healthy"]
    assert cloud.get(f"/{service.name}/ready").headers["x-mark"] == "moved"


def test_breaker_counts_tasks_that_fail_their_checks_and_rolls_back(cloud: Cloud) -> None:
    """Truth 3: past the grace period unhealthy tasks are stopped, counted and replaced, until the breaker trips."""
    good = cloud.register("broken", cloud.image("app", "good"))
    service = cloud.serve("broken", good)
    cloud.wait_steady("broken")
    cloud.update("broken", taskDefinition=cloud.register("broken", cloud.image("app", "moved")))
    wait_until(lambda: len(cloud.tasks("broken", "STOPPED")) >= 1, 20, "a task that fails its checks is stopped")
    wait_until(lambda: cloud.service("broken")["taskDefinition"] == good, 30, "the breaker rolls back")
    cloud.wait_steady("broken")
    stopped = [task for task in cloud.tasks("broken", "STOPPED") if task["taskDefinitionArn"] != good]
    words = f"Task failed ELB health checks in (target-group {service.target_group})"
    assert [task["stoppedReason"] for task in stopped] == [words] * 3
    assert cloud.states(service.target_group) == ["healthy"]


def test_history_says_what_happened_to_each_deployment(cloud: Cloud) -> None:
    """Truth 4: service deployments, revisions with digests, events, and container health checks by the engine."""
    check = {"command": ["CMD", "/server", "check"], "interval": 1, "timeout": 1, "retries": 1}
    definition = cloud.register("history", cloud.image("app", "good"), healthCheck=check)
    cloud.serve("history", definition)
    cloud.wait_steady("history", 30)
    [first] = cloud.deployments("history")
    assert first["status"] == "SUCCESSFUL"
    revision = cloud.client("ecs").describe_service_revisions(
        serviceRevisionArns=[first["targetServiceRevision"]["arn"]]
    )["serviceRevisions"][0]
    digest = cloud.client("ecr").describe_images(repositoryName="app", imageIds=[{"imageTag": "good"}])
    assert revision["containerImages"][0]["imageDigest"] == digest["imageDetails"][0]["imageDigest"]
    assert "(service history) has reached a steady state." in cloud.events("history")
    [task] = cloud.tasks("history")
    assert task["healthStatus"] == "HEALTHY"


def test_stopped_task_is_replaced(cloud: Cloud) -> None:
    """Truth 3, second half: a service keeps its desired count."""
    cloud.serve("replaced", cloud.register("replaced", cloud.image("app", "good")))
    cloud.wait_steady("replaced")
    stays(lambda: cloud.is_steady("replaced"), 2, "nothing is left to do")
    [task] = cloud.tasks("replaced")
    cloud.client("ecs").stop_task(cluster=CLUSTER, task=task["taskArn"], reason="because")
    wait_until(
        lambda: cloud.tasks("replaced") and cloud.tasks("replaced")[0]["taskArn"] != task["taskArn"],
        10,
        "another task runs",
    )
    cloud.wait_steady("replaced")


def test_data_plane_prefers_healthy_targets_and_fails_open(cloud: Cloud) -> None:
    """Truth 5: traffic goes to healthy targets only; to all where none is healthy."""
    for name, tag in (("plane-a", "good"), ("plane-b", "moved")):
        cloud.serve(name, cloud.register(name, cloud.image("app", tag)), healthCheckGracePeriodSeconds=120)
    wait_until(lambda: cloud.tasks("plane-a") and cloud.tasks("plane-b"), 10, "both run")
    both = cloud.target_group("both", HealthCheckPath="/")
    addresses = [_address(cloud, "plane-a"), _address(cloud, "plane-b")]
    balancing = cloud.client("elbv2")
    balancing.register_targets(TargetGroupArn=both, Targets=[{"Id": address, "Port": 8080} for address in addresses])
    wait_until(lambda: cloud.states(both) == ["healthy", "unhealthy"], 10, "one of two is healthy")
    assert {cloud.get("/both/x").headers["x-mark"] for _ in range(12)} == {"good"}
    balancing.modify_target_group(TargetGroupArn=both, Matcher={"HttpCode": "299"})
    wait_until(lambda: cloud.states(both) == ["unhealthy", "unhealthy"], 10, "none is healthy")
    assert {cloud.get("/both/x").headers["x-mark"] for _ in range(24)} == {"good", "moved"}


def _address(cloud: Cloud, service: str) -> str:
    def found() -> str:
        details = cloud.tasks(service)[0]["attachments"]
        return next((d["value"] for a in details for d in a["details"] if d["name"] == "privateIPv4Address"), "")

    return wait_until(found, 10, f"{service} has an address")


def test_registry_address_works_with_the_engine(cloud: Cloud, server: Path) -> None:
    """Truth 6: what ECR answers can be pushed to and pulled from as it is."""
    ecr = cloud.client("ecr")
    uri = ecr.create_repository(repositoryName="addressed")["repository"]["repositoryUri"]
    assert uri == f"127.0.0.1:{cloud.port}/addressed"
    assert ecr.get_authorization_token()["authorizationData"][0]["proxyEndpoint"] == f"http://127.0.0.1:{cloud.port}"
    digest = cloud.push(server, "addressed", "one", MARK="addressed", DEFAULT=200)
    cloud.serve("addressed", cloud.register("addressed", f"{uri}@{digest}"))
    cloud.wait_steady("addressed")
    assert cloud.tasks("addressed")[0]["containers"][0]["imageDigest"] == digest


def test_an_answer_arrives_in_one_piece(cloud: Cloud) -> None:
    """Truth 7: as from AWS; Terraform's SDK loses answers whose head comes alone, and then waits for its own lock."""
    target = b"x-amz-target: AmazonEC2ContainerServiceV20141113.ListClusters"
    lines = [b"POST / HTTP/1.1", b"host: sandbox", target, b"content-length: 2", b"", b"{}"]
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=10) as connection:
        for _ in range(200):
            connection.sendall(b"\r\n".join(lines))
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert length
            assert len(body) == int(length[1]), "the head does not come without its body"
