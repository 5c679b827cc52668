"""What do the ECS API's service actions answer?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from .definitions import with_defaults
from .deployments import DeploymentHistory, Json
from .scheduler import Scheduler
from .service_lookup import find_service
from .stopping import Stopper
from .targets import in_use
from .timestamps import epoch_seconds

# A change of one of these starts a deployment; AWS: UpdateService, per-parameter notes.
DEPLOYING_FIELDS = (
    "networkConfiguration",
    "loadBalancers",
    "platformVersion",
    "serviceRegistries",
    "capacityProviderStrategy",
)
# MiniStack drops these on UpdateService.
PLAIN_FIELDS = ("availabilityZoneRebalancing", "enableECSManagedTags", "propagateTags", "serviceRegistries")


class ServiceApi:
    """Replaces the actions of MiniStack's ECS that change services, register task definitions and stop tasks."""

    def __init__(self, scheduler: Scheduler, history: DeploymentHistory, stopper: Stopper) -> None:
        """Change services only under the scheduler's lock."""
        self._scheduler = scheduler
        self._history = history
        self._stopper = stopper
        self._plain = dict(ecs._ACTION_MAP)
        self._task_definition_key = ecs._resolve_td_key

    def install(self) -> None:
        """Put the replacements into MiniStack, every action under the scheduler's lock."""
        ecs._ACTION_MAP.update(
            {
                "RegisterTaskDefinition": self.register_task_definition,
                "CreateService": self.create_service,
                "UpdateService": self.update_service,
                "DeleteService": self.delete_service,
                "RunTask": self.run_task,
                "StopTask": self.stop_task,
            }
        )
        for action, handler in list(ecs._ACTION_MAP.items()):
            ecs._ACTION_MAP[action] = self._locked(handler)
        # AWS answers with milliseconds; MiniStack cuts them off.
        ecs._ts_to_epoch = epoch_seconds
        ecs._resolve_td_key = self.task_definition_key

    def _locked(self, handler: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def locked(request: Json) -> Any:
            with self._scheduler.lock:
                return handler(request)

        return locked

    def register_task_definition(self, request: Json) -> Any:
        """RegisterTaskDefinition: the answers hold what ECS adds."""
        return self._plain["RegisterTaskDefinition"](with_defaults(request))

    def create_service(self, request: Json) -> Any:
        """CreateService: the first deployment is in progress until its tasks are healthy."""
        existing = find_service(request, request.get("serviceName", ""))
        if existing and existing["status"] == "DRAINING":
            return error_response_json(
                "InvalidParameterException", "Unable to Start a service that is still Draining.", 400
            )
        refusal = _unattached(request) or _inactive(request, "ClientException")
        if refusal:
            return refusal
        answer = self._plain["CreateService"](request)
        service = find_service(request, request.get("serviceName", ""))
        if answer[0] != 200 or service is None:  # noqa: PLR2004 - HTTP's OK
            return answer
        service["availabilityZoneRebalancing"] = request.get("availabilityZoneRebalancing", "DISABLED")
        if service.get("launchType") == "FARGATE":
            service["platformVersion"] = service["platformVersion"] or "LATEST"
            service["platformFamily"] = service["platformFamily"] or "Linux"
        self._open(service)
        return json_response({"service": ecs._sanitize(service)})

    def update_service(self, request: Json) -> Any:
        """UpdateService: one new deployment where the request asks for one, else a change in place.

        A change of healthCheckGracePeriodSeconds or of the deployment configuration starts none (AWS:
        UpdateService).
        """
        service = find_service(request, request.get("service", ""))
        if service and service["status"] != "ACTIVE":
            return error_response_json("ServiceNotActiveException", "Service was not ACTIVE.", 400)
        refusal = _unattached(request) or _inactive(request, "ClientException")
        if refusal:
            return refusal
        before = ecs._primary_deployment(service) if service else None
        events = list(service["events"]) if service else []
        if service and any(field in request and request[field] != service.get(field) for field in DEPLOYING_FIELDS):
            request = {**request, "forceNewDeployment": True}
        if service and "deploymentConfiguration" in request:
            merged = {**service.get("deploymentConfiguration", {}), **request["deploymentConfiguration"]}
            request = {**request, "deploymentConfiguration": merged}
        answer = self._plain["UpdateService"](request)
        if answer[0] != 200 or service is None:  # noqa: PLR2004 - HTTP's OK
            return answer
        service["events"] = events
        service.update({field: request[field] for field in PLAIN_FIELDS if field in request})
        primary = ecs._primary_deployment(service)
        primary["desiredCount"] = service["desiredCount"]
        if primary is not before:
            self._open(service)
        return json_response({"service": ecs._sanitize(service)})

    def delete_service(self, request: Json) -> Any:
        """DeleteService: DRAINING until the last task has stopped, then INACTIVE."""
        service = find_service(request, request.get("service", ""))
        if service is None or service["status"] == "INACTIVE":
            return error_response_json("ServiceNotFoundException", "Service not found.", 400)
        if not request.get("force") and service.get("desiredCount", 0) > 0:
            return error_response_json(
                "InvalidParameterException", "The service cannot be stopped while it is scaled above 0.", 400
            )
        service.update(status="DRAINING", desiredCount=0)
        return json_response({"service": ecs._sanitize(service)})

    def run_task(self, request: Json) -> Any:
        """RunTask: an INACTIVE revision starts no new task."""
        return _inactive(request, "InvalidParameterException") or self._plain["RunTask"](request)

    def stop_task(self, request: Json) -> Any:
        """StopTask: the task drains and stops; its service starts another."""
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        task = ecs._resolve_task(request.get("task", ""), cluster) if cluster else None
        if task is None:
            return error_response_json("InvalidParameterException", "The referenced task was not found.", 400)
        self._stopper.begin(task, request.get("reason") or "Task stopped by user", "UserInitiated")
        return json_response({"task": ecs._sanitize(task)})

    def task_definition_key(self, reference: str) -> str | None:
        """MiniStack's key of a task definition; a bare family means its newest ACTIVE revision.

        AWS: DescribeTaskDefinition, taskDefinition.
        """
        key: str | None = self._task_definition_key(reference)
        if not key or reference.rpartition("/")[2].count(":"):
            return key
        family = key.partition(":")[0]
        active = [d["revision"] for d in ecs._task_defs.values() if d["family"] == family and d["status"] == "ACTIVE"]
        return f"{family}:{max(active)}" if active else family

    def _open(self, service: Json) -> None:
        primary = ecs._primary_deployment(service)
        primary.update(
            rolloutState="IN_PROGRESS",
            rolloutStateReason=f"ECS deployment {primary['id']} in progress.",
            networkConfiguration=service.get("networkConfiguration") or None,
            platformVersion=service.get("platformVersion") or None,
        )
        self._history.open(service, primary)
        self._history.record_rollout(service, primary, None)


def _unattached(request: Json) -> Any:
    """Refuse a target group that no listener uses, as CreateService and UpdateService do."""
    for balancer in request.get("loadBalancers") or []:
        group = balancer.get("targetGroupArn")
        if group and not in_use(group):
            return error_response_json(
                "InvalidParameterException",
                f"The target group with targetGroupArn {group} does not have an associated load balancer.",
                400,
            )
    return None


def _inactive(request: Json, code: str) -> Any:
    """Refuse an INACTIVE revision by name; a service that runs one already may still be scaled.

    AWS: deregister-task-definition-v2, "you can't use an INACTIVE task definition to run new tasks or create new
    services, and you can't update an existing service to reference an INACTIVE task definition".
    """
    definition = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition") or "")) or {}
    if definition.get("status") != "INACTIVE":
        return None
    return error_response_json(code, "TaskDefinition is inactive", 400)
