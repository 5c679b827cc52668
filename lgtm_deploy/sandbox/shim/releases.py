"""When does a deployment complete, fail or go back?"""

from __future__ import annotations

from typing import Any

from ministack.services import ecs

from .deployments import DeploymentHistory
from .events import announce
from .rollout import breaker_threshold

BREAKER_REASON = "ECS deployment circuit breaker: tasks failed to start."

Json = dict[str, Any]


class Releases:
    """Moves deployments between AWS's rollout states, and the service deployments with them."""

    def __init__(self, history: DeploymentHistory) -> None:
        """Write into ``history``."""
        self._history = history

    def prepare(self, service: Json) -> Json:
        """Take up what is pending or was asked for; returns the deployment that is primary after it."""
        primary: Json = ecs._primary_deployment(service)
        entry = self._history.current(service, primary)
        if entry and entry["status"] == "PENDING":
            self._history.begin(service, entry)
        if entry and entry["status"] == "STOP_REQUESTED":
            reason = "Service deployment was stopped by the user."
            self._set_rollout(service, primary, "FAILED", reason)
            self._history.fail(service, entry, reason)
        if entry and entry["status"] == "ROLLBACK_REQUESTED":
            reason = "Service deployment was rolled back by the user."
            self._abandon(service, primary, last_completed(service, primary), reason)
            primary = ecs._primary_deployment(service)
        return primary

    def note_healthy(self, service: Json, deployment: Json) -> None:
        """A task became healthy: failedTasks counts *consecutive* failures (AWS: Deployment.failedTasks)."""
        deployment.update(failedTasks=0, _failures=0)
        entry = self._history.current(service, deployment)
        if entry:
            entry["_failed_tasks"] = 0

    def note_failure(self, service: Json, deployment: Json) -> None:
        """A task of a deployment in progress failed; with enough of them the circuit breaker trips."""
        deployment["failedTasks"] = int(deployment.get("failedTasks", 0)) + 1
        deployment["updatedAt"] = ecs._iso()
        entry = self._history.current(service, deployment)
        if entry:
            entry["_failed_tasks"] = deployment["failedTasks"]
        breaker = circuit_breaker(service)
        threshold = breaker_threshold(int(service.get("desiredCount", 0)))
        if not breaker.get("enable") or deployment["failedTasks"] < threshold:
            return
        rolling_back = bool(entry and entry.get("rollback"))
        target = last_completed(service, deployment) if breaker.get("rollback") and not rolling_back else None
        if entry:
            entry["_tripped"] = True
        self._abandon(service, deployment, target, BREAKER_REASON)

    def _abandon(self, service: Json, deployment: Json, target: Json | None, reason: str) -> None:
        """Fail a deployment and return to ``target``, or stay where there is none."""
        entry = self._history.current(service, deployment)
        self._set_rollout(service, deployment, "FAILED", reason)
        deployment["desiredCount"] = 0
        announce(service, f"(deployment {deployment['id']}) deployment failed: {reason.rpartition(': ')[2]}")
        if target is None:
            if entry:
                self._history.fail(service, entry, reason)
            return
        if target not in service["deployments"]:
            service["deployments"].append(target)
        deployment["status"], target["status"] = "ACTIVE", "PRIMARY"
        # MiniStack writes a new desired count into the first one.
        service["deployments"].sort(key=lambda each: each["status"] != "PRIMARY")
        target.update(desiredCount=service["desiredCount"], failedTasks=0, _failures=0, _not_before=0.0)
        service["taskDefinition"] = target["taskDefinition"]
        if entry:
            self._history.roll_back(service, entry, target, reason)
        cause = "circuit breaker" if reason == BREAKER_REASON else "rollback"
        why = f"ECS deployment {cause}: rolling back to deploymentId {target['id']}."
        self._set_rollout(service, target, "IN_PROGRESS", why)
        announce(service, f"rolling back to deployment {target['id']}.")

    def settle(self, service: Json, primary: Json) -> None:
        """The service has what it should have: its deployment is complete and its state steady."""
        if primary["rolloutState"] == "IN_PROGRESS":
            entry = self._history.current(service, primary)
            self._set_rollout(service, primary, "COMPLETED", f"ECS deployment {primary['id']} completed.")
            primary["failedTasks"] = 0
            service["_last_completed"] = primary
            service["deployments"] = [primary]
            if entry:
                self._history.succeed(service, entry)
            announce(service, f"(deployment {primary['id']}) deployment completed.")
            service["_steady"] = False
        if not service.get("_steady"):
            service["_steady"] = True
            announce(service, "has reached a steady state.")

    def refresh(self, service: Json, live: list[Json]) -> None:
        """Bring the counts up to date, and drop deployments with no task left."""
        states = [(t.get("_deployment_id"), t["lastStatus"]) for t in live if t["desiredStatus"] != "STOPPED"]
        for deployment in service["deployments"]:
            mine = [status for owner, status in states if owner == deployment["id"]]
            deployment["runningCount"] = mine.count("RUNNING")
            deployment["pendingCount"] = len(mine) - deployment["runningCount"]
            self._history.note_images(service, deployment)
        service["runningCount"] = sum(status == "RUNNING" for _, status in states)
        service["pendingCount"] = len(states) - service["runningCount"]
        owners = {task.get("_deployment_id") for task in live}
        service["deployments"] = [
            d
            for d in service["deployments"]
            if d["status"] == "PRIMARY" or d["id"] in owners or d["rolloutState"] == "FAILED"
        ]

    def _set_rollout(self, service: Json, deployment: Json, state: str, reason: str) -> None:
        before = deployment.get("rolloutState")
        deployment.update(rolloutState=state, rolloutStateReason=reason, updatedAt=ecs._iso())
        self._history.record_rollout(service, deployment, before)


def circuit_breaker(service: Json) -> Json:
    """The service's circuit breaker configuration."""
    breaker: Json = (service.get("deploymentConfiguration") or {}).get("deploymentCircuitBreaker") or {}
    return breaker


def last_completed(service: Json, failed: Json) -> Json | None:
    """The deployment that a rollback of ``failed`` returns to."""
    for deployment in service["deployments"]:
        if deployment is not failed and deployment.get("rolloutState") == "COMPLETED":
            found: Json = deployment
            return found
    kept: Json | None = service.get("_last_completed")
    return kept if kept and kept["id"] != failed["id"] else None
