"""What does one service need now: tasks started, registered, stopped or counted as failed?"""

from __future__ import annotations

import time
from typing import Any

from ministack.services import ecs

from .discovery import Discovery
from .events import announce
from .releases import Releases
from .rollout import Phase, ServiceView, TaskView, decide, restart_delay
from .stopping import STARTING, Stopper, targets_of
from .targets import Target, TargetTable

INCONSISTENT_AFTER = 5
# Without any health check a task counts as healthy once it has outlived its start; the figure is this sandbox's.
START_SURVIVED_SECONDS = 1.0
FAILED_STOPS = {"EssentialContainerExited", "TaskFailedToStart"}
# AWS: service-event-messages-list.
BLOCKED = (
    "was unable to stop or start tasks during a deployment because of the service deployment configuration. "
    "Update the minimumHealthyPercent or maximumPercent value and try again."
)

Json = dict[str, Any]


class ServiceKeeper:
    """Brings a service one step closer to what it should be."""

    def __init__(self, table: TargetTable, stopper: Stopper, releases: Releases, discovery: Discovery) -> None:
        """Judge health by ``table``."""
        self._discovery = discovery
        self._table = table
        self._stopper = stopper
        self._releases = releases

    def advance(self, service: Json) -> None:
        """One step; the scheduler calls it several times a second."""
        tasks = _tasks_of(service)
        for task in tasks:
            self._settle_failure(service, task)
        live = [task for task in tasks if task["lastStatus"] != "STOPPED"]
        if service["status"] == "DRAINING":
            self._drain(service, live)
        else:
            for task in live:
                self._attend(service, task)
            self._roll(service, live)
        self._discovery.follow(service, live)
        self._releases.refresh(service, live)
        ecs._recount_cluster(service["clusterArn"].rpartition("/")[2])

    def _drain(self, service: Json, live: list[Json]) -> None:
        for task in live:
            self._stopper.begin(task, "Service was deleted", "ServiceSchedulerInitiated")
        if not live:
            service["status"] = "INACTIVE"

    def _attend(self, service: Json, task: Json) -> None:
        """Register a running task, and stop it where it is unhealthy past the grace period."""
        if task["lastStatus"] != "RUNNING" or task["desiredStatus"] == "STOPPED":
            return
        if task.get("_targets") is None:
            self._register(service, task)
        self._note_healthy(service, task)
        # AWS: the grace period covers both kinds of health check, from the task's start (UpdateService).
        if time.time() - task.get("_started", 0.0) >= float(service.get("healthCheckGracePeriodSeconds") or 0):
            self._stop_unhealthy(service, task)

    def _register(self, service: Json, task: Json) -> None:
        task["_targets"] = []
        for balancer in service.get("loadBalancers") or []:
            group, address = balancer.get("targetGroupArn"), ecs._task_ip(task)
            if group and address:
                target = Target(group, address, int(balancer["containerPort"]))
                task["_targets"].append([target.group, target.address, target.port])
                self._table.register(target)
                announce(service, f"registered 1 targets in (target-group {group})")

    def _stop_unhealthy(self, service: Json, task: Json) -> None:
        task_id = task["taskArn"].rpartition("/")[2]
        if task.get("_checked") and task.get("healthStatus") == "UNHEALTHY":
            announce(service, f"(task {task_id}) failed container health checks.")
            self._stop_failed(service, task, "Task failed container health checks")
            return
        for target in targets_of(task):
            seen = self._table.health_of(target)
            if seen.state == "unhealthy":
                where = f"(target-group {target.group})"
                what = f"(task {task_id}) (port {target.port}) is unhealthy in {where}"
                announce(service, f"{what} due to (reason {seen.description}).")
                self._stop_failed(service, task, f"Task failed ELB health checks in {where}")
                return

    def _is_healthy(self, task: Json) -> bool:
        """Healthy in every target group, and as containers with health checks (AWS: deployment-type-ecs)."""
        if task["lastStatus"] != "RUNNING" or task.get("_targets") is None:
            return False
        if task.get("_checked") and task.get("healthStatus") != "HEALTHY":
            return False
        if not task["_targets"] and not task.get("_checked"):
            return time.time() - float(task.get("_started", 0.0)) >= START_SURVIVED_SECONDS
        return all(self._table.health_of(target).state == "healthy" for target in targets_of(task))

    def _note_healthy(self, service: Json, task: Json) -> None:
        if task.get("_was_healthy") or not self._is_healthy(task):
            return
        task["_was_healthy"] = True
        deployment = ecs._deployment_for_task(service, task)
        if deployment:
            self._releases.note_healthy(service, deployment)

    def _stop_failed(self, service: Json, task: Json, reason: str) -> None:
        task["_failed"] = True
        self._stopper.begin(task, reason, "ServiceSchedulerInitiated")
        _announce_stop(service, task)
        self._settle_failure(service, task)

    def _settle_failure(self, service: Json, task: Json) -> None:
        """Count a task that failed, once, against its deployment."""
        if task.get("_counted") or not (task.get("_failed") or task.get("stopCode") in FAILED_STOPS):
            return
        task["_counted"] = True
        service["_steady"] = False
        deployment = ecs._deployment_for_task(service, task)
        if deployment is None or deployment is not ecs._primary_deployment(service):
            return
        failures = deployment["_failures"] = int(deployment.get("_failures", 0)) + 1
        deployment["_not_before"] = time.time() + restart_delay(failures)
        if failures == INCONSISTENT_AFTER:
            announce(service, "is unable to consistently start tasks successfully.")
        if deployment["rolloutState"] == "IN_PROGRESS":
            self._releases.note_failure(service, deployment)

    def _roll(self, service: Json, live: list[Json]) -> None:
        primary = self._releases.prepare(service)
        decision = decide(self._view(service, primary, live))
        by_arn = {task["taskArn"]: task for task in live}
        for arn in decision.stop:
            reason = f"Scaling activity initiated by (deployment {primary['id']})"
            if self._stopper.begin(by_arn[arn], reason, "ServiceSchedulerInitiated"):
                _announce_stop(service, by_arn[arn])
        if decision.start and time.time() >= float(primary.get("_not_before", 0.0)):
            _start_tasks(service, primary, decision.start)
        if decision.settled:
            self._releases.settle(service, primary)
        if decision.blocked and not primary.get("_blocked"):
            announce(service, BLOCKED)
        # AWS leaves a repeated event out until its cause is gone (service-event-messages).
        primary["_blocked"] = decision.blocked

    def _view(self, service: Json, primary: Json, live: list[Json]) -> ServiceView:
        configuration = service.get("deploymentConfiguration") or {}
        return ServiceView(
            desired=int(service.get("desiredCount", 0)),
            minimum_percent=int(configuration.get("minimumHealthyPercent", 100)),
            maximum_percent=int(configuration.get("maximumPercent", 200)),
            primary=primary["id"],
            primary_failed=primary.get("rolloutState") == "FAILED",
            tasks=[self._task_view(task) for task in live],
        )

    def _task_view(self, task: Json) -> TaskView:
        phase = Phase.STARTING if task["lastStatus"] in STARTING else Phase.RUNNING
        return TaskView(
            arn=task["taskArn"],
            deployment=task.get("_deployment_id"),
            phase=Phase.STOPPING if task["desiredStatus"] == "STOPPED" else phase,
            healthy=self._is_healthy(task),
            created=float(task.get("_created", 0.0)),
        )


def _tasks_of(service: Json) -> list[Json]:
    group, cluster = f"service:{service['serviceName']}", service["clusterArn"]
    return [task for task in ecs._tasks.values() if task.get("group") == group and task["clusterArn"] == cluster]


def _start_tasks(service: Json, deployment: Json, count: int) -> None:
    before = set(ecs._tasks)
    ecs._run_task(
        {
            "cluster": service["clusterArn"].rpartition("/")[2],
            "taskDefinition": deployment["taskDefinition"],
            "count": count,
            "group": f"service:{service['serviceName']}",
            "startedBy": deployment["id"],
            "launchType": service.get("launchType"),
            "capacityProviderStrategy": service.get("capacityProviderStrategy"),
            "platformVersion": service.get("platformVersion", ""),
            "networkConfiguration": service.get("networkConfiguration", {}),
            "enableExecuteCommand": service.get("enableExecuteCommand", False),
            "_deploymentId": deployment["id"],
        }
    )
    started = [arn for arn in ecs._tasks if arn not in before]
    for arn in started:
        ecs._tasks[arn]["_created"] = time.time()
    service["_steady"] = False
    names = " ".join(f"(task {arn.rpartition('/')[2]})" for arn in started)
    announce(service, f"has started {len(started)} tasks: {names}.")


def _announce_stop(service: Json, task: Json) -> None:
    service["_steady"] = False
    announce(service, f"has stopped 1 running tasks: (task {task['taskArn'].rpartition('/')[2]}).")
    for target in targets_of(task):
        announce(service, f"deregistered 1 targets in (target-group {target.group})")
    if targets_of(task):
        announce(service, "has begun draining connections on 1 tasks.")
