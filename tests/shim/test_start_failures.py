"""A service that does not come up in the sandbox is explained as soon as its second task has ended, with its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.stack import Environment, Service, Stack
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.image_choice import Choice
from lgtm_deploy.sandbox.settled import wait_settled
from tests.shim.cloud import ACCOUNT, CLUSTER, REGION, Cloud

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(240)]

# No circuit breaker ends these deployments.
UNGUARDED = {"deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100}}
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:nowhere-AbCdEf"


def explained(cloud: Cloud, name: str, tmp_path: Path) -> tuple[str, list[str]]:
    """Return why the service does not come up, and what was told on the way."""
    service = Service(name=name, ecs_service=name, container="app", target_group=name)
    environment = Environment(name="sandbox", region=REGION, account=ACCOUNT, cluster=CLUSTER)
    stack = Stack(name="shim", directory=tmp_path, services={name: service}, environment=environment)
    endpoint = f"http://127.0.0.1:{cloud.port}"
    connection = Connection(
        name="default",
        endpoint=endpoint,
        region=REGION,
        account=ACCOUNT,
        load_balancer_url="",
        docker_host="",
        build_args={},
        environment={
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": REGION,
        },
        records=tmp_path / "records.jsonl",
        choice=Choice(images={}, reason="", factor=1.0),
    )
    told: list[str] = []
    with pytest.raises(PermanentError) as caught:
        wait_settled(stack, connection, told.append)
    return str(caught.value), told


@pytest.mark.parametrize(
    ("name", "tag", "container", "cause"),
    [
        ("exits", "dying", {}, "container app exited with code 3"),
        ("unpulled", "never-pushed", {}, "CannotPullContainerError"),
        ("secretless", "good", {"secrets": [{"name": "X", "valueFrom": SECRET}]}, "ResourceInitializationError"),
        (
            "sick",
            "good",
            {"healthCheck": {"command": ["CMD", "/nowhere"], "interval": 1, "timeout": 1, "retries": 1}},
            "Task failed container health checks",
        ),
    ],
)
def test_a_task_that_ends_twice_is_explained(
    cloud: Cloud, tmp_path: Path, *, name: str, tag: str, container: dict[str, Any], cause: str
) -> None:
    cloud.serve(name, cloud.register(f"start-{name}", cloud.image("app", tag), **container), **UNGUARDED)

    why, _ = explained(cloud, name, tmp_path)

    assert why.startswith(f"The stack does not come up in the sandbox: {name}: ")
    assert cause in why
    log = tmp_path / "logs" / f"{name}.log"
    assert f"Its log: {log}" in why
    if tag == "dying":
        assert "last words of dying" in log.read_text()
    cloud.update(name, desiredCount=0)
