"""What do the ECS API's actions on service deployments and revisions answer?"""

from __future__ import annotations

import time
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import ecs

from .deployments import FINISHED, DeploymentHistory, Json
from .releases import circuit_breaker
from .rollout import breaker_threshold
from .service_lookup import find_service
from .timestamps import epoch_seconds


class HistoryApi:
    """Replaces the stubs of MiniStack's ECS by the history that the scheduler keeps."""

    def __init__(self, history: DeploymentHistory) -> None:
        """Answer from ``history``."""
        self._history = history

    def install(self) -> None:
        """Put the replacements into MiniStack."""
        ecs._ACTION_MAP.update(
            {
                "ListServiceDeployments": self.list_service_deployments,
                "DescribeServiceDeployments": self.describe_service_deployments,
                "DescribeServiceRevisions": self.describe_service_revisions,
                "StopServiceDeployment": self.stop_service_deployment,
            }
        )

    def list_service_deployments(self, request: Json) -> Any:
        """ListServiceDeployments, newest first, filtered by status and creation time."""
        service = find_service(request, request.get("service", ""))
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
            service, entry = _by_arn("_service_deployments", "serviceDeploymentArn", arn)
            if service is None or entry is None:
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                found.append(ecs._sanitize(self._described(service, entry)))
        return json_response({"serviceDeployments": found, "failures": failures})

    def describe_service_revisions(self, request: Json) -> Any:
        """DescribeServiceRevisions, with each container's image and its digest."""
        found, failures = [], []
        for arn in request.get("serviceRevisionArns", []):
            _, revision = _by_arn("_service_revisions", "serviceRevisionArn", arn)
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
        service, entry = _by_arn("_service_deployments", "serviceDeploymentArn", arn)
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


def _by_arn(store: str, field: str, arn: str) -> tuple[Json | None, Json | None]:
    for service in ecs._services.values():
        for entry in service.get(store, []):
            if entry[field] == arn:
                return service, entry
    return None, None
