"""What do the ECS API's service actions answer?"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from .deployments import FINISHED, DeploymentHistory, Json
from .rollout import breaker_threshold
from .scheduler import Scheduler, circuit_breaker
from .stopping import Stopper

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
    """Replaces the service, task-stop and deployment-history actions of MiniStack's ECS."""

    def __init__(self, scheduler: Scheduler, history: DeploymentHistory, stopper: Stopper) -> None:
        """Change services only under the scheduler's lock."""
        self._scheduler = scheduler
        self._history = history
        self._stopper = stopper
        self._plain = dict(ecs._ACTION_MAP)

    def install(self) -> None:
        """Put the replacements into MiniStack, every action under the scheduler's lock."""
        ecs._ACTION_MAP.update(
            {
                "CreateService": self.create_service,
                "UpdateService": self.update_service,
                "DeleteService": self.delete_service,
                "StopTask": self.stop_task,
                "ListServiceDeployments": self.list_service_deployments,
                "DescribeServiceDeployments": self.describe_service_deployments,
                "DescribeServiceRevisions": self.describe_service_revisions,
                "StopServiceDeployment": self.stop_service_deployment,
            }
        )
        for action, handler in list(ecs._ACTION_MAP.items()):
            ecs._ACTION_MAP[action] = self._locked(handler)
        # AWS answers with milliseconds; MiniStack cuts them off.
        ecs._ts_to_epoch = epoch_seconds

    def _locked(self, handler: Callable[[Json], Any]) -> Callable[[Json], Any]:
        def locked(request: Json) -> Any:
            with self._scheduler.lock:
                return handler(request)

        return locked

    def create_service(self, request: Json) -> Any:
        """CreateService: the first deployment is in progress until its tasks are healthy."""
        existing = self._find(request, request.get("serviceName", ""))
        if existing and existing["status"] == "DRAINING":
            return error_response_json(
                "InvalidParameterException", "Unable to Start a service that is still Draining.", 400
            )
        answer = self._plain["CreateService"](request)
        service = self._find(request, request.get("serviceName", ""))
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
        service = self._find(request, request.get("service", ""))
        if service and service["status"] != "ACTIVE":
            return error_response_json("ServiceNotActiveException", "Service was not ACTIVE.", 400)
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
        service = self._find(request, request.get("service", ""))
        if service is None or service["status"] == "INACTIVE":
            return error_response_json("ServiceNotFoundException", "Service not found.", 400)
        if not request.get("force") and service.get("desiredCount", 0) > 0:
            return error_response_json(
                "InvalidParameterException", "The service cannot be stopped while it is scaled above 0.", 400
            )
        service.update(status="DRAINING", desiredCount=0)
        return json_response({"service": ecs._sanitize(service)})

    def stop_task(self, request: Json) -> Any:
        """StopTask: the task drains and stops; its service starts another."""
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        task = ecs._resolve_task(request.get("task", ""), cluster) if cluster else None
        if task is None:
            return error_response_json("InvalidParameterException", "The referenced task was not found.", 400)
        self._stopper.begin(task, request.get("reason") or "Task stopped by user", "UserInitiated")
        return json_response({"task": ecs._sanitize(task)})

    def list_service_deployments(self, request: Json) -> Any:
        """ListServiceDeployments, newest first, filtered by status and creation time."""
        service = self._find(request, request.get("service", ""))
        if service is None:
            return error_response_json("ServiceNotFoundException", "Service not found.", 400)
        window = request.get("createdAt") or {}
        wanted = set(request.get("status") or [])
        briefs = [
            _brief(entry)
            for entry in service.get("_service_deployments", [])
            if (not wanted or entry["status"] in wanted)
            and epoch_seconds(window.get("after", 0)) <= entry["createdAt"]
            and entry["createdAt"] <= epoch_seconds(window.get("before", time.time() + 1))
        ]
        start = int(request.get("nextToken") or 0)
        end = start + int(request.get("maxResults") or 100)
        more = {"nextToken": str(end)} if end < len(briefs) else {}
        return json_response({"serviceDeployments": briefs[start:end], **more})

    def describe_service_deployments(self, request: Json) -> Any:
        """DescribeServiceDeployments, with the counts and the circuit breaker as they are now."""
        found, failures = [], []
        for arn in request.get("serviceDeploymentArns", []):
            service, entry = self._by_arn("_service_deployments", "serviceDeploymentArn", arn)
            if service is None or entry is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                found.append(ecs._sanitize(self._described(service, entry)))
        return json_response({"serviceDeployments": found, "failures": failures})

    def describe_service_revisions(self, request: Json) -> Any:
        """DescribeServiceRevisions, with each container's image and its digest."""
        found, failures = [], []
        for arn in request.get("serviceRevisionArns", []):
            _, revision = self._by_arn("_service_revisions", "serviceRevisionArn", arn)
            if revision is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                found.append(ecs._sanitize(revision))
        return json_response({"serviceRevisions": found, "failures": failures})

    def stop_service_deployment(self, request: Json) -> Any:
        """StopServiceDeployment: ROLLBACK returns to the last completed deployment, ABORT stays.

        AWS: stop-service-deployment; one that is finished is a conflict.
        """
        arn = request.get("serviceDeploymentArn", "")
        service, entry = self._by_arn("_service_deployments", "serviceDeploymentArn", arn)
        if service is None or entry is None:
            return error_response_json("ServiceDeploymentNotFoundException", "Service deployment not found.", 400)
        if entry["status"] in FINISHED:
            return error_response_json(
                "ConflictException", f"Service deployment is in {entry['status']} state and cannot be stopped.", 400
            )
        if entry["status"] in {"PENDING", "IN_PROGRESS"}:
            abort = request.get("stopType", "ROLLBACK") == "ABORT"
            verb = "stop" if abort else "rollback"
            status = "STOP_REQUESTED" if abort else "ROLLBACK_REQUESTED"
            self._history.request(service, entry, status, f"A {verb} was requested by the user.")
        return json_response({"serviceDeploymentArn": arn})

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

    def _find(self, request: Json, reference: str) -> Json | None:
        cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
        resolved = ecs._resolve_service_ref(reference) if reference else None
        if cluster is None or resolved is None:
            return None
        found: Json | None = ecs._services.get(f"{resolved[1] or cluster}/{resolved[0]}")
        return found

    def _by_arn(self, store: str, field: str, arn: str) -> tuple[Json | None, Json | None]:
        for service in ecs._services.values():
            for entry in service.get(store, []):
                if entry[field] == arn:
                    return service, entry
        return None, None

    def _described(self, service: Json, entry: Json) -> Json:
        driven = next((d for d in service["deployments"] if d["id"] == entry["_deployment"]), None)
        target = dict(entry["targetServiceRevision"])
        if driven:
            target = self._history.summary(service, driven)
        breaker = circuit_breaker(service)
        status = "MONITORING_COMPLETE" if entry["status"] in FINISHED else "MONITORING"
        if entry.get("_tripped"):
            status = "TRIGGERED"
        return {
            **entry,
            "targetServiceRevision": target,
            "deploymentCircuitBreaker": {
                "status": status if breaker.get("enable") else "DISABLED",
                "failureCount": int(entry.get("_failed_tasks", 0)),
                "threshold": breaker_threshold(int(service.get("desiredCount", 0))),
            },
        }


def _brief(entry: Json) -> Json:
    fields = [
        "serviceDeploymentArn",
        "serviceArn",
        "clusterArn",
        "startedAt",
        "createdAt",
        "finishedAt",
        "status",
        "statusReason",
    ]
    brief = {field: entry[field] for field in fields if entry.get(field) is not None}
    return {**brief, "targetServiceRevisionArn": entry["targetServiceRevision"]["arn"]}


def epoch_seconds(value: Any) -> Any:
    """An ISO time as epoch seconds with milliseconds; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return round(datetime.fromisoformat(value).timestamp(), 3)
    except ValueError:
        return value
