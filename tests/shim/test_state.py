"""A sandbox that was stopped comes back, also as a copy under another name and other ports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.shim.cloud import Cloud, running, stays, wait_until
from tests.shim.test_discovery import instances, make_registry

pytestmark = pytest.mark.sandbox


def test_state_comes_back_and_its_copy_runs_beside_it(tmp_path: Path, server: Path) -> None:
    with running(Cloud(directory=tmp_path / "first")) as cloud:
        digest = cloud.push(server, "app", "good", MARK="good", DEFAULT=200)
        registry = make_registry(cloud, "kept.local", "kept")
        definition = cloud.register("kept", cloud.image("app", "good"))
        registries = [{"registryArn": registry["Arn"]}]
        service = cloud.serve("kept", definition, serviceRegistries=registries, desiredCount=2)
        cloud.wait_steady("kept")
        history = cloud.deployments("kept")
        old = {task["taskArn"] for task in cloud.tasks("kept")}
        cloud.stop()
        assert cloud.engine.containers.list(all=True, filters={"label": f"lgtm-deploy.sandbox={cloud.name}"}) == []

        copy = Cloud(directory=tmp_path / "second")
        shutil.copytree(cloud.state, copy.state)
        cloud.start()
        wait_until(lambda: cloud.states(service.target_group) == ["healthy"] * 2, 10, "the targets are healthy again")
        cloud.wait_steady("kept")
        assert [d["serviceDeploymentArn"] for d in cloud.deployments("kept")] == [
            d["serviceDeploymentArn"] for d in history
        ]
        assert not old & {task["taskArn"] for task in cloud.tasks("kept")}
        assert {each["Id"] for each in instances(cloud, registry["Id"])} == {
            task["taskArn"].rpartition("/")[2] for task in cloud.tasks("kept")
        }
        assert cloud.get(service.path).headers["x-mark"] == "good"
        assert cloud.get("/kept/resolve/kept.kept.local").headers["x-answer"]
        run_copy(copy, cloud, service.target_group, digest)


def run_copy(copy: Cloud, first: Cloud, group: str, digest: str) -> None:
    """Start the copy: its task definition still names the first one's port, and it must not disturb the first."""
    try:
        copy.start()
        wait_until(lambda: copy.states(group) == ["healthy"] * 2, 10, "the copy's targets are healthy")
        assert {task["containers"][0]["imageDigest"] for task in copy.tasks("kept")} == {digest}
        uri = copy.client("ecr").describe_repositories()["repositories"][0]["repositoryUri"]
        assert uri == f"127.0.0.1:{copy.port}/app"
        copy.update("kept", forceNewDeployment=True)
        copy.wait_steady("kept")
        stays(lambda: first.states(group) == ["healthy"] * 2, 1, "the first sandbox is undisturbed")
        assert len(first.deployments("kept")) == 1
    finally:
        copy.remove()
    assert first.states(group) == ["healthy"] * 2


def test_deployment_in_progress_goes_on_after_a_restart(tmp_path: Path, server: Path) -> None:
    with running(Cloud(directory=tmp_path)) as cloud:
        cloud.push(server, "app", "moved", MARK="moved", ROUTES="/moved/ready=200")
        definition = cloud.register("held", cloud.image("app", "moved"))
        service = cloud.serve("held", definition, healthCheckGracePeriodSeconds=120)
        wait_until(lambda: cloud.states(service.target_group) == ["unhealthy"], 10, "the task is checked")
        cloud.stop()
        cloud.start()
        wait_until(lambda: cloud.states(service.target_group) == ["unhealthy"], 10, "the task is checked again")
        assert cloud.deployments("held")[0]["status"] == "IN_PROGRESS"
        cloud.client("elbv2").modify_target_group(TargetGroupArn=service.target_group, HealthCheckPath="/moved/ready")
        wait_until(lambda: cloud.deployments("held")[0]["status"] == "SUCCESSFUL", 10, "the deployment completes")
