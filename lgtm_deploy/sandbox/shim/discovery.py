"""Registers tasks in Cloud Map, and lets containers resolve its names.

AWS answers ``service.namespace`` from the VPC's DNS. Here every task has an ``/etc/hosts`` of its own, a file of the
sandbox, which is rewritten in place whenever an instance comes or goes: programs read it at each look-up.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import ecs, servicediscovery

LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

Json = dict[str, Any]


class Discovery:
    """Keeps Cloud Map's instances of ECS tasks, and the hosts files, up to date."""

    def __init__(self, directory: Path) -> None:
        """Keep the hosts files in ``directory``, which the Docker engine must see too."""
        self._directory = directory
        self._lock = threading.Lock()
        self._written: dict[str, str] = {}
        self._create_service = servicediscovery._create_service

    def install(self) -> None:
        """Put the replacement into MiniStack."""
        servicediscovery._create_service = self.create_service

    def create_service(self, request: Json) -> Any:
        """CreateService: the namespace may be named in ``DnsConfig``, as Terraform does (botocore: DnsConfig).

        The answer names it in both places, and the routing policy, whose default is MULTIVALUE.
        """
        dns = request.get("DnsConfig")
        if dns:
            namespace = request.get("NamespaceId") or dns.get("NamespaceId")
            dns = {"RoutingPolicy": "MULTIVALUE", **dns, "NamespaceId": namespace}
            request = {**request, "NamespaceId": namespace, "DnsConfig": dns}
        return self._create_service(request)

    def hosts_file(self, task: Json) -> str:
        """Return the path of a task's hosts file, which is up to date; for the account and region in scope."""
        self._write(task["taskArn"], self._text(task, _names()))
        return str(self._path(task["taskArn"]))

    def follow(self, service: Json, tasks: list[Json]) -> None:
        """Register the running tasks of a service in its registries, and deregister those that are stopping.

        AWS: service-discovery; an instance's ID is the task's.
        """
        wanted: dict[tuple[str, str], tuple[Json, str]] = {}
        for task in tasks:
            if task["lastStatus"] == "RUNNING" and task["desiredStatus"] != "STOPPED" and ecs._task_ip(task):
                task.setdefault("_registries", service["serviceRegistries"])
                health = "UNHEALTHY" if task.get("healthStatus") == "UNHEALTHY" else "HEALTHY"
                for registry in task["_registries"]:
                    key = registry["registryArn"].rpartition("/")[2], task["taskArn"].rpartition("/")[2]
                    wanted[key] = _attributes(service, task, registry), health
        for name in list(servicediscovery._services):
            for instance in _registered_by(service, name):
                if (name, instance) not in wanted:
                    servicediscovery._deregister_instance({"ServiceId": name, "InstanceId": instance})
        for (name, instance), (attributes, health) in wanted.items():
            if instance not in servicediscovery._instances.get(name, {}):
                registration = {"ServiceId": name, "InstanceId": instance, "Attributes": attributes}
                servicediscovery._register_instance(registration)
            if name in servicediscovery._services:
                servicediscovery._instance_health_status[name][instance] = health

    def publish(self) -> None:
        """Bring every task's hosts file up to date, and remove those of stopped tasks."""
        names: dict[tuple[str, str], str] = {}
        kept = set()
        for (account, region, arn), task in ecs._tasks.all_items():
            if task["lastStatus"] == "STOPPED" or arn not in self._written:
                continue
            if (account, region) not in names:
                with request_scope(account, region):
                    names[account, region] = _names()
            self._write(arn, self._text(task, names[account, region]))
            kept.add(arn)
        for arn in [arn for arn in self._written if arn not in kept]:
            del self._written[arn]
            self._path(arn).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the hosts files."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _text(self, task: Json, names: str) -> str:
        owner, address = task.get("_network_owner"), ecs._task_ip(task)
        return LOCAL + (f"{address}\t{owner[:12]}\n" if owner and address else "") + names

    def _path(self, arn: str) -> Path:
        return self._directory / arn.rpartition("/")[2]

    def _write(self, arn: str, text: str) -> None:
        with self._lock:
            if self._written.get(arn) == text:
                return
            self._directory.mkdir(parents=True, exist_ok=True)
            # In place, or containers keep the old file; written before it is cut, so that no look-up finds it empty.
            file = os.open(self._path(arn), os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(file, text.encode(), 0)
                os.ftruncate(file, len(text.encode()))
            finally:
                os.close(file)
            self._written[arn] = text


def _attributes(service: Json, task: Json, registry: Json) -> dict[str, str]:
    port = registry.get("containerPort") or registry.get("port")
    return {
        "AWS_INSTANCE_IPV4": str(ecs._task_ip(task)),
        **({"AWS_INSTANCE_PORT": str(port)} if port else {}),
        "AVAILABILITY_ZONE": task["availabilityZone"],
        "REGION": task["taskArn"].split(":")[3],
        "ECS_CLUSTER_NAME": service["clusterArn"].rpartition("/")[2],
        "ECS_SERVICE_NAME": service["serviceName"],
        "ECS_TASK_DEFINITION_FAMILY": task["taskDefinitionArn"].rpartition("/")[2].partition(":")[0],
    }


def _registered_by(service: Json, name: str) -> list[str]:
    """The instances of a Cloud Map service that an ECS service registered."""
    owner = {
        "ECS_CLUSTER_NAME": service["clusterArn"].rpartition("/")[2],
        "ECS_SERVICE_NAME": service["serviceName"],
    }
    instances = dict(servicediscovery._instances.get(name, {}))
    return [each for each, found in instances.items() if owner.items() <= found["Attributes"].items()]


def _names() -> str:
    return "".join(f"{address}\t{name}\n" for address, name in _records())


def _records() -> Iterator[tuple[str, str]]:
    """The A records of private DNS namespaces: the healthy instances, or all where none is healthy.

    AWS: Route 53, "How Amazon Route 53 chooses records when health checking is configured".
    """
    for key, service in servicediscovery._services.items():
        namespace = servicediscovery._namespaces.get(service["NamespaceId"]) or {}
        if namespace.get("Type") != "DNS_PRIVATE":
            continue
        health, instances = (
            dict(store.get(key, {}))
            for store in (servicediscovery._instance_health_status, servicediscovery._instances)
        )
        found = {each: instance["Attributes"] for each, instance in instances.items()}
        healthy = {each: found[each] for each in found if health.get(each) != "UNHEALTHY"}
        for attributes in (healthy or found).values():
            if attributes.get("AWS_INSTANCE_IPV4"):
                yield attributes["AWS_INSTANCE_IPV4"], f"{service['Name']}.{namespace['Name']}"
