"""What is the history of a service: its deployments and its revisions, in the shapes of the ECS API?"""

from __future__ import annotations

import secrets
import time
from typing import Any

from ministack.services import ecs

from .records import Records

FINISHED = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}
KEPT = 100
REVISION_FIELDS = [
    "serviceArn",
    "clusterArn",
    "taskDefinition",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "loadBalancers",
    "serviceRegistries",
    "networkConfiguration",
]

Json = dict[str, Any]


class DeploymentHistory:
    """Keeps service deployments and revisions inside the service's own record, so that they persist with it.

    MiniStack leaves keys that begin with ``_`` out of its answers.
    """

    def __init__(self, records: Records) -> None:
        """Record each change."""
        self._records = records

    def open(self, service: Json, deployment: Json) -> None:
        """Begin a service deployment for a new deployment; it supersedes one that is not finished.

        AWS lists a deployment that a newer one replaced as STOPPED (view-service-deployment).
        """
        for unfinished in self.unfinished(service):
            self._finish(service, unfinished, "STOPPED", "Service deployment was replaced by a new service deployment.")
        history = service.setdefault("_service_deployments", [])
        sources = [self.summary(service, d) for d in service["deployments"] if d is not deployment]
        revision = self._new_revision(service, deployment)
        now = time.time()
        entry = {
            "serviceDeploymentArn": _arn(service, "service-deployment", secrets.token_urlsafe(16)[:21]),
            "serviceArn": service["serviceArn"],
            "clusterArn": service["clusterArn"],
            "createdAt": now,
            "updatedAt": now,
            "sourceServiceRevisions": sources,
            "targetServiceRevision": {"arn": revision["serviceRevisionArn"]},
            "status": "PENDING",
            "deploymentConfiguration": service.get("deploymentConfiguration", {}),
            "_deployment": deployment["id"],
        }
        history.insert(0, entry)
        del history[KEPT:]
        self._record(service, entry, None, None)

    def unfinished(self, service: Json) -> list[Json]:
        """The service deployments still under way; at most one."""
        return [entry for entry in service.get("_service_deployments", []) if entry["status"] not in FINISHED]

    def current(self, service: Json, deployment: Json) -> Json | None:
        """The service deployment under way that drives ``deployment``, as a release or as its rollback."""
        for entry in self.unfinished(service):
            if deployment["id"] in {entry["_deployment"], entry.get("_rollback_to")}:
                return entry
        return None

    def begin(self, service: Json, entry: Json) -> None:
        """The scheduler took the service deployment up."""
        entry["startedAt"] = time.time()
        entry["lifecycleStage"] = "SCALE_UP"
        self._move(service, entry, "IN_PROGRESS", None)

    def succeed(self, service: Json, entry: Json) -> None:
        """The service reached a steady state: a release is done, or its rollback is."""
        status = "ROLLBACK_SUCCESSFUL" if entry.get("rollback") else "SUCCESSFUL"
        self._finish(service, entry, status, entry.get("statusReason"))

    def roll_back(self, service: Json, entry: Json, target: Json, reason: str) -> None:
        """Begin the way back to ``target``, the last deployment that completed."""
        revision = self.revision_of(service, target["id"]) or {}
        entry["rollback"] = {
            "reason": reason,
            "startedAt": time.time(),
            "serviceRevisionArn": revision.get("serviceRevisionArn", ""),
        }
        entry["_rollback_to"] = target["id"]
        self._move(service, entry, "ROLLBACK_IN_PROGRESS", reason)

    def request(self, service: Json, entry: Json, status: str, reason: str) -> None:
        """StopServiceDeployment was called: STOP_REQUESTED or ROLLBACK_REQUESTED."""
        self._move(service, entry, status, reason)

    def fail(self, service: Json, entry: Json, reason: str) -> None:
        """The release failed with no rollback, or its rollback failed."""
        self._finish(service, entry, "ROLLBACK_FAILED" if entry.get("rollback") else "STOPPED", reason)

    def revision_of(self, service: Json, deployment: str) -> Json | None:
        """The newest revision that a deployment runs."""
        for revision in service.get("_service_revisions", []):
            if revision["_deployment"] == deployment:
                found: Json = revision
                return found
        return None

    def summary(self, service: Json, deployment: Json) -> Json:
        """A ServiceRevisionSummary of a deployment as it is now."""
        revision = self.revision_of(service, deployment["id"]) or {}
        return {
            "arn": revision.get("serviceRevisionArn", ""),
            "requestedTaskCount": deployment.get("desiredCount", 0),
            "runningTaskCount": deployment.get("runningCount", 0),
            "pendingTaskCount": deployment.get("pendingCount", 0),
        }

    def _new_revision(self, service: Json, deployment: Json) -> Json:
        revisions = service.setdefault("_service_revisions", [])
        number = str(secrets.randbelow(9 * 10**18) + 10**18)
        revision = {
            "serviceRevisionArn": _arn(service, "service-revision", number),
            **{field: service[field] for field in REVISION_FIELDS if service.get(field) not in (None, "", [])},
            "createdAt": time.time(),
            "_deployment": deployment["id"],
        }
        revisions.insert(0, revision)
        del revisions[KEPT:]
        return revision

    def _finish(self, service: Json, entry: Json, status: str, reason: str | None) -> None:
        entry.pop("lifecycleStage", None)
        self._move(service, entry, status, reason)
        entry["finishedAt"] = entry["updatedAt"]
        if status == "STOPPED":
            entry["stoppedAt"] = entry["updatedAt"]

    def _move(self, service: Json, entry: Json, status: str, reason: str | None) -> None:
        before, entry["status"] = entry["status"], status
        entry["updatedAt"] = time.time()
        if reason:
            entry["statusReason"] = reason
        self._record(service, entry, before, reason)

    def _record(self, service: Json, entry: Json, before: str | None, reason: str | None) -> None:
        self._records.write(
            "deployment",
            service=service["serviceName"],
            id=entry["_deployment"],
            service_deployment=entry["serviceDeploymentArn"],
            task_definition=service["taskDefinition"],
            field="status",
            reason=reason,
            **{"from": before, "to": entry["status"]},
        )

    def note_images(self, service: Json, deployment: Json) -> None:
        """Put the resolved digests into the deployment's revision, once they are known."""
        revision = self.revision_of(service, deployment["id"])
        digests = deployment.get("_image_digests")
        definition = ecs._task_defs.get(ecs._resolve_td_key(deployment["taskDefinition"]))
        if revision is None or revision.get("containerImages") or not digests or not definition:
            return
        revision["containerImages"] = [
            {"containerName": container["name"], "image": container["image"]}
            | ({"imageDigest": digests[container["name"]]} if container["name"] in digests else {})
            for container in definition["containerDefinitions"]
        ]

    def record_rollout(self, service: Json, deployment: Json, before: str | None) -> None:
        """Record a deployment's change of rollout state."""
        entry = self.current(service, deployment) or {}
        self._records.write(
            "deployment",
            service=service["serviceName"],
            id=deployment["id"],
            service_deployment=entry.get("serviceDeploymentArn"),
            task_definition=deployment["taskDefinition"],
            field="rolloutState",
            reason=deployment.get("rolloutStateReason"),
            **{"from": before, "to": deployment["rolloutState"]},
        )


def _arn(service: Json, kind: str, identifier: str) -> str:
    head, _, tail = service["serviceArn"].partition(":service/")
    return f"{head}:{kind}/{tail}/{identifier}"
