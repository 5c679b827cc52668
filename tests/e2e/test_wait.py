"""`wait` on deployments that were made by hand: the reason in seconds, where a waiter takes ten minutes."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.ecs.host import EcsHost
from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CLUSTER, SERVICE = "lgtm-sandbox-cluster", "lgtm-sandbox-tempo"
Change = Callable[[dict[str, Any]], None]


def no_such_image(container: dict[str, Any]) -> None:
    container["image"] = f"{container['image'].partition('@')[0].rpartition('/')[0]}/lgtm-tempo:nobody-pushed-this"


def no_such_config(container: dict[str, Any]) -> None:
    container["command"] = ["-config.file=/etc/tempo/nowhere.yaml"]


def deploy_by_hand(checkout: Checkout, change: Change) -> str:
    """A revision with that change, deployed through the API; returns the ARN of what ran before."""
    ecs = Aws(region="us-east-1", endpoint_url=checkout.connection.endpoint).writer("ecs")
    before = str(ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["taskDefinition"])
    found = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
    known = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    asked = {name: value for name, value in found.items() if name in known}
    change(asked["containerDefinitions"][0])
    revision = ecs.register_task_definition(**asked)["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=revision)
    return before


@pytest.fixture(autouse=True)
def _credentials(today: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in today.connection.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("change", "named"),
    [(no_such_image, "CannotPullContainerError"), (no_such_config, "exited with code 1: last log lines: ")],
)
def test_a_deployment_that_cannot_work_is_told_with_its_reason(today: Checkout, change: Change, named: str) -> None:
    before = deploy_by_hand(today, change)

    said = today.run("wait", "tempo", "--env", "sandbox")

    assert said.exit_code == 1, said.out + said.err
    (last,) = [line for line in said.out.splitlines() if line.startswith("tempo: failed: ")]
    assert named in last

    host = EcsHost(Aws(region="us-east-1", endpoint_url=today.connection.endpoint), cluster=CLUSTER)
    host.update(SERVICE, task_definition=before, force=True)
    began = time.time()
    settled = today.run("wait", "tempo", "pyroscope", "--env", "sandbox")
    assert settled.exit_code == 0, settled.out + settled.err
    assert "tempo: settled: sha256:" in settled.out
    assert today.requests(began) == [], "it only looks"
