"""Tasks are registered in Cloud Map while they run, and other tasks resolve its names."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shim.cloud import Cloud, wait_until

pytestmark = pytest.mark.sandbox


def make_registry(cloud: Cloud, namespace: str, name: str) -> dict[str, Any]:
    discovery = cloud.client("servicediscovery")
    operation = discovery.create_private_dns_namespace(Name=namespace, Vpc="vpc-1")["OperationId"]
    target = discovery.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    made: dict[str, Any] = discovery.create_service(
        Name=name,
        DnsConfig={"NamespaceId": target, "DnsRecords": [{"Type": "A", "TTL": 10}]},
        HealthCheckCustomConfig={"FailureThreshold": 1},
    )["Service"]
    assert made["NamespaceId"] == made["DnsConfig"]["NamespaceId"] == target
    return made


def addresses(cloud: Cloud, service: str) -> list[str]:
    found = [d["value"] for task in cloud.tasks(service) for a in task["attachments"] for d in a["details"]]
    return sorted(each for each in found if each.count(".") == 3)


def instances(cloud: Cloud, registry: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.client("servicediscovery").list_instances(ServiceId=registry)["Instances"]
    return found


def test_names_of_cloud_map_lead_to_running_tasks(cloud: Cloud) -> None:
    registry = make_registry(cloud, "lgtm.local", "tempo")
    # The one that asks runs before there is anything to find. glibc reads every line of a name only if asked to.
    environment = [{"name": "RESOLV_MULTI", "value": "on"}]
    cloud.serve("asking", cloud.register("asking", cloud.image("app", "good"), environment=environment))
    cloud.wait_steady("asking")

    def resolved() -> list[str]:
        return sorted(cloud.get("/asking/resolve/tempo.lgtm.local").headers["x-answer"].split())

    assert resolved() == []
    definition = cloud.register("found", cloud.image("app", "good"))
    registries = [{"registryArn": registry["Arn"]}]
    cloud.serve("found", definition, serviceRegistries=registries, desiredCount=2)
    cloud.wait_steady("found")
    assert cloud.service("found")["serviceRegistries"] == registries
    tasks = {task["taskArn"].rpartition("/")[2] for task in cloud.tasks("found")}
    registered = instances(cloud, registry["Id"])
    assert {each["Id"] for each in registered} == tasks
    assert sorted(each["Attributes"]["AWS_INSTANCE_IPV4"] for each in registered) == addresses(cloud, "found")
    assert registered[0]["Attributes"]["ECS_SERVICE_NAME"] == "found"
    assert resolved() == addresses(cloud, "found")

    before = addresses(cloud, "found")
    cloud.update("found", taskDefinition=cloud.register("found", cloud.image("app", "new")))
    cloud.wait_steady("found")
    wait_until(lambda: resolved() == addresses(cloud, "found") != before, 10, "names follow the tasks")
    cloud.update("found", desiredCount=0)
    wait_until(lambda: instances(cloud, registry["Id"]) == [] == resolved(), 10, "stopping tasks are deregistered")
    assert "127.0.0.1" in cloud.get("/asking/resolve/localhost").headers["x-answer"]
