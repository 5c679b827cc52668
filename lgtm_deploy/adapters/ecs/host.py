"""What an ECS service is, and how it is changed."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lgtm_deploy.adapters.aws import Aws, changing, reading
from lgtm_deploy.adapters.ecs.records import Record, rolls_out_otherwise, service_state
from lgtm_deploy.adapters.ecs.together import Together
from lgtm_deploy.core.container_definition import container_spec
from lgtm_deploy.core.errors import AccessError, DeployError, InDoubtError, NotFoundError, PermanentError
from lgtm_deploy.core.ports import ContainerSpec, ServiceState

# AWS: DescribeServices takes up to 10 names.
SERVICES_PER_CALL = 10
# ECS is eventually consistent: a new service deployment is listed a moment after UpdateService answered.
LISTED_WITHIN = 15.0
LOOK_EVERY = 0.25


class EcsHost:
    """The services of one cluster. Changes are sent once. `pause` waits for so many seconds."""

    def __init__(self, aws: Aws, *, cluster: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._aws = aws
        self._cluster = cluster
        self._pause = pause
        self._definitions: dict[str, Record] = {}
        self._services = Together(self._described_together, limit=SERVICES_PER_CALL, pause=pause)

    def service(self, name: str) -> ServiceState:
        """The service now. Raises NotFoundError (no such cluster or service), PermanentError (it is not one that ECS
        rolls out task by task)."""
        service = self._described(name)
        if other := rolls_out_otherwise(service):
            raise PermanentError(
                f"ECS service {name} {other}, and only ECS's own rolling deployments are known here.",
                resolution="Deploy it by the means it is made for, or have ECS roll it out (controller ECS, strategy "
                "ROLLING, scheduling REPLICA).",
            )
        definition = self._known_definition(service["taskDefinition"])
        deployments = self._deployments(name)
        newest = deployments[0]["serviceDeploymentArn"] if deployments else ""
        return service_state(service, definition, newest)

    def container(self, service: str, container: str) -> ContainerSpec:
        """How the service's current task definition starts that container; of secrets the names only.

        Raises NotFoundError (no such service, or no such container in it).
        """
        definition = self._known_definition(self._described(service)["taskDefinition"])
        for found in definition["containerDefinitions"]:
            if found["name"] == container:
                return container_spec(definition, found)
        raise NotFoundError(_no_container(service, container), resolution=_known(definition["containerDefinitions"]))

    def is_registered(self, task_definition: str) -> bool:
        """Whether that revision is ACTIVE, and can be deployed. Raises NotFoundError."""
        return bool(self._definition(task_definition)["taskDefinition"].get("status", "ACTIVE") == "ACTIVE")

    def revise(self, service: str, images: Mapping[str, str]) -> str:
        """Registers the service's current task definition with these images; returns the new revision's ARN.

        Everything else is kept, tags too (AWS: RegisterTaskDefinition). Raises InDoubtError when the outcome is
        unknown: at worst a revision is left that nothing uses.
        """
        described = self._definition(self._described(service)["taskDefinition"])
        client = self._aws.writer("ecs")
        asked = _registrable(client, described["taskDefinition"])
        asked["containerDefinitions"] = _with_images(service, asked["containerDefinitions"], images)
        if described.get("tags"):
            asked["tags"] = described["tags"]
        with changing(f"A new task definition for {service}"):
            return str(client.register_task_definition(**asked)["taskDefinition"]["taskDefinitionArn"])

    def registered_names(self, registries: Sequence[str]) -> Sequence[str]:
        """Return the names of Cloud Map services, as `name.namespace` (AWS: Cloud Map, GetService, GetNamespace)."""
        client = self._aws.reader("servicediscovery")
        found: list[str] = []
        for arn in registries:
            try:
                with reading(f"Cloud Map service {arn}"):
                    service = client.get_service(Id=arn.rpartition("/")[2])["Service"]
                    namespace = client.get_namespace(Id=service["NamespaceId"])["Namespace"]
            except (AccessError, NotFoundError):
                continue
            found.append(f"{service['Name']}.{namespace['Name']}")
        return found

    def update(
        self,
        service: str,
        *,
        task_definition: str | None = None,
        force: bool = False,
        grace_period_seconds: int | None = None,
    ) -> str:
        """Changes the service and returns the ARN of its newest service deployment.

        What is not named stays as it is: launch type, capacity providers, desired count (AWS: UpdateService).
        Another task definition or `force` starts one, and then it is that one; a grace period starts none (AWS:
        UpdateService). Raises InDoubtError when the outcome is unknown.
        """
        starts = force or (task_definition or "") not in {"", self._described(service)["taskDefinition"]}
        known = self._deployments(service)
        asked: dict[str, Any] = {"cluster": self._cluster, "service": service}
        if starts and task_definition:
            asked["taskDefinition"] = task_definition
        if force:
            asked["forceNewDeployment"] = True
        if grace_period_seconds is not None:
            asked["healthCheckGracePeriodSeconds"] = grace_period_seconds
        with changing(f"The update of ECS service {service}"):
            answer = self._aws.writer("ecs").update_service(**asked)["service"]
        if not starts:
            return str(known[0]["serviceDeploymentArn"]) if known else ""
        known_arns = {deployment["serviceDeploymentArn"] for deployment in known}
        return self._started(service, known_arns, str(answer["taskDefinition"]))

    def _started(self, service: str, known: set[str], task_definition: str) -> str:
        """The service deployment that an update has just started."""
        try:
            for _ in range(int(LISTED_WITHIN / LOOK_EVERY)):
                fresh = [found for found in self._deployments(service) if found["serviceDeploymentArn"] not in known]
                # Somebody else may have started one as well: ours is the first that brings our task definition.
                for deployment in reversed(fresh):
                    if self._brings(deployment, task_definition):
                        return str(deployment["serviceDeploymentArn"])
                self._pause(LOOK_EVERY)
        except DeployError as error:
            raise InDoubtError(f"The update of ECS service {service} was sent; what came of it: {error}") from error
        raise InDoubtError(
            f"The update of ECS service {service} was accepted, but no new service deployment appeared"
            f" within {LISTED_WITHIN:.0f} s."
        )

    def _brings(self, deployment: Record, task_definition: str) -> bool:
        revision = deployment.get("targetServiceRevisionArn")
        if not revision:
            return False
        with reading("The service revision"):
            found = self._aws.reader("ecs").describe_service_revisions(serviceRevisionArns=[revision])
        return any(item.get("taskDefinition") == task_definition for item in found["serviceRevisions"])

    def _described(self, name: str) -> Record:
        found = self._services.one(name)
        # Deleted services stay visible for a while (AWS: DescribeServices, status INACTIVE).
        if found is None or found.get("status") == "INACTIVE":
            raise NotFoundError(
                f"Cluster {self._cluster} has no ECS service {name}.",
                resolution="Check `ecs_service` and `cluster` in the stack file.",
            )
        return found

    def _described_together(self, names: Sequence[str]) -> Mapping[str, Record]:
        with reading(f"ECS service {', '.join(names)} in cluster {self._cluster}"):
            answer = self._aws.reader("ecs").describe_services(cluster=self._cluster, services=list(names))
        return {service["serviceName"]: service for service in answer["services"]}

    def _known_definition(self, arn: str) -> Record:
        """A revision of a task definition never changes, so it is asked for once (AWS: task definition revisions)."""
        if arn not in self._definitions:
            self._definitions[arn] = self._definition(arn)["taskDefinition"]
        return self._definitions[arn]

    def _definition(self, arn: str) -> Record:
        with reading(f"Task definition {arn}"):
            found: Record = self._aws.reader("ecs").describe_task_definition(taskDefinition=arn, include=["TAGS"])
        return found

    def _deployments(self, service: str) -> list[Record]:
        """The service's deployments, newest first."""
        found: list[Record] = []
        asked: dict[str, Any] = {"cluster": self._cluster, "service": service, "maxResults": 100}
        while True:
            with reading(f"The deployments of ECS service {service}"):
                answer = self._aws.reader("ecs").list_service_deployments(**asked)
            found += answer["serviceDeployments"]
            if not answer.get("nextToken"):
                return sorted(found, key=lambda deployment: deployment["createdAt"], reverse=True)
            asked["nextToken"] = answer["nextToken"]


def _registrable(client: Any, definition: Record) -> dict[str, Any]:
    """A described task definition without what only ECS may set, by the API's own model of the request."""
    request = client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    return {name: definition[name] for name in request.members if name in definition}


def _with_images(service: str, containers: list[Record], images: Mapping[str, str]) -> list[Record]:
    unknown = sorted(images.keys() - {container["name"] for container in containers})
    if unknown:
        raise PermanentError(_no_container(service, unknown[0]), resolution=_known(containers))
    return [{**container, "image": images.get(container["name"], container["image"])} for container in containers]


def _no_container(service: str, container: str) -> str:
    return f"The task definition of {service} has no container '{container}'."


def _known(containers: list[Record]) -> str:
    return f"It has: {', '.join(container['name'] for container in containers)}."
