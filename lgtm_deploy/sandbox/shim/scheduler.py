"""What does ECS do with each service and task, from moment to moment?"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from ministack.core.responses import new_uuid, request_scope
from ministack.services import ecs

from .containers import Containers
from .deployments import DeploymentHistory
from .rollout import Decision, Phase, ServiceView, TaskView, breaker_threshold, decide, restart_delay
from .stopping import STARTING, Stopper, targets_of
from .targets import Target, TargetTable

log = logging.getLogger("shim.scheduler")
TICK_SECONDS = 0.1
EVENTS_KEPT = 100
# AWS: "Stopped tasks ... are visible for about one hour" (stopped-task-errors).
STOPPED_TASKS_KEPT_SECONDS = 3600.0
INCONSISTENT_AFTER = 5
DOCKER_HEALTH = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}

Json = dict[str, Any]


class Scheduler:
    """Replaces MiniStack's service reconciler with one loop that is the only one to change services."""

    def __init__(
        self, *, containers: Containers, table: TargetTable, stopper: Stopper, history: DeploymentHistory
    ) -> None:
        """Work on MiniStack's own records; ``lock`` guards them and API calls take it too."""
        self.lock = threading.RLock()
        self._containers = containers
        self._table = table
        self._stopper = stopper
        self._history = history
        self._stopping = threading.Event()

    def install(self) -> None:
        """Take MiniStack's own scheduling out."""
        for name in [
            "_reconcile_service_tasks",
            "_refresh_service_state",
            "_sync_service_targets",
            "_record_service_task_failure",
            "_record_service_task_healthy",
            "_complete_service_deployment",
            "_schedule_service_deployment_completion",
            "_start_restored_service_reconciler",
        ]:
            setattr(ecs, name, lambda *_, **__: None)

    def start(self) -> None:
        """Put restored tasks to rest and begin."""
        with self.lock:
            for _, task in ecs._tasks.all_items():
                self._bury_restored(task)
        threading.Thread(target=self._run, daemon=True, name="shim-scheduler").start()

    def stop(self) -> None:
        """Stop scheduling; returns when the current round is over."""
        self._stopping.set()
        with self.lock:
            pass

    def _bury_restored(self, task: Json) -> None:
        """A restored task's container ended with the process that ran it."""
        task["lastStatus"] = "STOPPED"
        if task.get("desiredStatus") != "STOPPED":
            task.update(desiredStatus="STOPPED", stopCode="ServiceSchedulerInitiated", stoppedAt=ecs._iso())
            task["stoppedReason"] = "The sandbox restarted"
        task["_counted"] = True
        for target in targets_of(task):
            self._table.discard(target)

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            with self.lock:
                if self._stopping.is_set():
                    return
                for (account, region, arn), task in ecs._tasks.all_items():
                    with request_scope(account, region):
                        self._guarded(arn, self._observe_task, task)
                for (account, region, key), service in ecs._services.all_items():
                    if service.get("status") in {"ACTIVE", "DRAINING"}:
                        with request_scope(account, region):
                            self._guarded(key, self._advance_service, service)

    def _guarded(self, name: str, action: Any, subject: Json) -> None:
        try:
            action(subject)
        except Exception:
            log.exception("The scheduler failed on %s", name)

    # Tasks

    def _observe_task(self, task: Json) -> None:
        if task["lastStatus"] == "STOPPED":
            self._forget_old(task)
        elif task["desiredStatus"] == "STOPPED":
            self._stopper.advance(task)
        elif task["lastStatus"] == "RUNNING":
            self._observe_containers(task)

    def _forget_old(self, task: Json) -> None:
        seen = task.setdefault("_stopped_seen", time.time())
        if time.time() - seen > STOPPED_TASKS_KEPT_SECONDS:
            ecs._tasks.pop(task["taskArn"], None)

    def _observe_containers(self, task: Json) -> None:
        definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
        definitions = definition.get("containerDefinitions", [])
        ended, verdicts = False, []
        for index, identifier in enumerate(task.get("_docker_ids") or []):
            state, entry = self._containers.state_of(identifier), task["containers"][index]
            essential = definitions[index].get("essential", True)
            if not state.running:
                entry.update(lastStatus="STOPPED", exitCode=state.exit_code)
                ended = ended or essential
            if definitions[index].get("healthCheck"):
                entry["healthStatus"] = DOCKER_HEALTH.get(state.health or "", "UNKNOWN")
                verdicts += [entry["healthStatus"]] if essential else []
        # AWS: Task.healthStatus, "the overall health of the task's essential containers".
        task["_checked"] = bool(verdicts)
        task["healthStatus"] = next((v for v in ("UNHEALTHY", "UNKNOWN", "HEALTHY") if v in verdicts), "UNKNOWN")
        if ended:
            self._stopper.begin(task, "Essential container in task exited", "EssentialContainerExited", drain=False)

    # Services

    def _advance_service(self, service: Json) -> None:
        tasks = self._tasks_of(service)
        primary = ecs._primary_deployment(service)
        for task in tasks:
            self._settle_failure(service, task)
        live = [task for task in tasks if task["lastStatus"] != "STOPPED"]
        if service["status"] == "DRAINING":
            self._drain_service(service, live)
        elif primary:
            for task in live:
                self._attend(service, task)
            self._roll(service, live)
        self._refresh(service, live)

    def _tasks_of(self, service: Json) -> list[Json]:
        group = f"service:{service['serviceName']}"
        return [
            task
            for task in ecs._tasks.values()
            if task.get("group") == group and task["clusterArn"] == service["clusterArn"]
        ]

    def _drain_service(self, service: Json, live: list[Json]) -> None:
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
        if time.time() - task.get("_started", 0.0) < float(service.get("healthCheckGracePeriodSeconds") or 0):
            return
        task_id = task["taskArn"].rpartition("/")[2]
        if task.get("_checked") and task.get("healthStatus") == "UNHEALTHY":
            announce(service, f"(task {task_id}) failed container health checks.")
            self._stop_failed(service, task, "Task failed container health checks")
            return
        for target in targets_of(task):
            seen = self._table.health_of(target)
            if seen.state == "unhealthy":
                where = f"(target-group {target.group})"
                announce(
                    service,
                    f"(task {task_id}) (port {target.port}) is unhealthy in {where} due to (reason {seen.description}).",
                )
                self._stop_failed(service, task, f"Task failed ELB health checks in {where}")
                return

    def _register(self, service: Json, task: Json) -> None:
        task["_targets"] = []
        for balancer in service.get("loadBalancers") or []:
            group, address = balancer.get("targetGroupArn"), ecs._task_ip(task)
            if group and address:
                target = Target(group, address, int(balancer["containerPort"]))
                task["_targets"].append([target.group, target.address, target.port])
                self._table.register(target)
                announce(service, f"registered 1 targets in (target-group {group})")

    def _is_healthy(self, task: Json) -> bool:
        """Healthy in every target group, and as containers with checks (AWS: deployment-type-ecs)."""
        if task["lastStatus"] != "RUNNING" or task.get("_targets") is None:
            return False
        if task.get("_checked") and task.get("healthStatus") != "HEALTHY":
            return False
        # Without a health check of its own a task counts once it has outlived its start.
        if not task["_targets"] and not task.get("_checked"):
            return time.time() - float(task.get("_started", 0.0)) >= 1.0
        return all(self._table.health_of(target).state == "healthy" for target in targets_of(task))

    def _note_healthy(self, service: Json, task: Json) -> None:
        if task.get("_was_healthy") or not self._is_healthy(task):
            return
        task["_was_healthy"] = True
        deployment = ecs._deployment_for_task(service, task)
        if deployment:
            # failedTasks counts *consecutive* failures (AWS: Deployment.failedTasks).
            deployment.update(failedTasks=0, _failures=0)
            entry = self._history.current(service, deployment)
            if entry:
                entry["_failed_tasks"] = 0

    def _stop_failed(self, service: Json, task: Json, reason: str) -> None:
        task["_failed"] = True
        self._stopper.begin(task, reason, "ServiceSchedulerInitiated")
        self._announce_stop(service, task)
        self._settle_failure(service, task)

    def _settle_failure(self, service: Json, task: Json) -> None:
        """Count a task that failed, once, against its deployment."""
        failed = task.get("_failed") or task.get("stopCode") in {"EssentialContainerExited", "TaskFailedToStart"}
        if not failed or task.get("_counted"):
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
            deployment["failedTasks"] = int(deployment.get("failedTasks", 0)) + 1
            deployment["updatedAt"] = ecs._iso()
            entry = self._history.current(service, deployment)
            if entry:
                entry["_failed_tasks"] = deployment["failedTasks"]
            self._trip(service, deployment)

    # Deployments

    def _trip(self, service: Json, deployment: Json) -> None:
        breaker = circuit_breaker(service)
        threshold = breaker_threshold(int(service.get("desiredCount", 0)))
        if not breaker.get("enable") or deployment["failedTasks"] < threshold:
            return
        entry = self._history.current(service, deployment)
        rolling_back = bool(entry and entry.get("rollback"))
        target = last_completed(service, deployment) if breaker.get("rollback") and not rolling_back else None
        if entry:
            entry["_tripped"] = True
        self.abandon(service, deployment, target, "ECS deployment circuit breaker: tasks failed to start.")

    def abandon(self, service: Json, deployment: Json, target: Json | None, reason: str) -> None:
        """Fail a deployment and return to ``target``, or stay where there is none."""
        entry = self._history.current(service, deployment)
        self._set_rollout(service, deployment, "FAILED", reason)
        deployment["desiredCount"] = 0
        announce(service, f"(deployment {deployment['id']}) deployment failed: tasks failed to start.")
        if target is None:
            if entry:
                self._history.fail(service, entry, reason)
            return
        if target not in service["deployments"]:
            service["deployments"].append(target)
        deployment["status"], target["status"] = "ACTIVE", "PRIMARY"
        target.update(desiredCount=service["desiredCount"], failedTasks=0, _failures=0, _not_before=0.0)
        service["taskDefinition"] = target["taskDefinition"]
        if entry:
            self._history.roll_back(service, entry, target, reason)
        why = f"ECS deployment circuit breaker: rolling back to deploymentId {target['id']}."
        self._set_rollout(service, target, "IN_PROGRESS", why)
        announce(service, f"rolling back to deployment {target['id']}.")

    def _set_rollout(self, service: Json, deployment: Json, state: str, reason: str) -> None:
        before = deployment.get("rolloutState")
        deployment.update(rolloutState=state, rolloutStateReason=reason, updatedAt=ecs._iso())
        self._history.record_rollout(service, deployment, before)

    def _roll(self, service: Json, live: list[Json]) -> None:
        primary = ecs._primary_deployment(service)
        entry = self._history.current(service, primary)
        if entry and entry["status"] == "PENDING":
            self._history.begin(service, entry)
        if entry and entry["status"] in {"ROLLBACK_REQUESTED", "STOP_REQUESTED"}:
            self._obey_stop(service, primary, entry)
            primary = ecs._primary_deployment(service)
        decision = decide(self._view(service, primary, live))
        by_arn = {task["taskArn"]: task for task in live}
        for arn in decision.stop:
            reason = f"Scaling activity initiated by (deployment {primary['id']})"
            if self._stopper.begin(by_arn[arn], reason, "ServiceSchedulerInitiated"):
                self._announce_stop(service, by_arn[arn])
        if decision.start and time.time() >= float(primary.get("_not_before", 0.0)):
            self._start_tasks(service, primary, decision.start)
        self._settle(service, primary, decision)

    def _obey_stop(self, service: Json, primary: Json, entry: Json) -> None:
        if entry["status"] == "STOP_REQUESTED":
            self._set_rollout(service, primary, "FAILED", "Service deployment was stopped by the user.")
            self._history.fail(service, entry, "Service deployment was stopped by the user.")
            return
        reason = "Service deployment was rolled back by the user."
        self.abandon(service, primary, last_completed(service, primary), reason)

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

    def _start_tasks(self, service: Json, deployment: Json, count: int) -> None:
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

    def _announce_stop(self, service: Json, task: Json) -> None:
        service["_steady"] = False
        announce(service, f"has stopped 1 running tasks: (task {task['taskArn'].rpartition('/')[2]}).")
        for target in targets_of(task):
            announce(service, f"deregistered 1 targets in (target-group {target.group})")
        if targets_of(task):
            announce(service, "has begun draining connections on 1 tasks.")

    def _settle(self, service: Json, primary: Json, decision: Decision) -> None:
        if not decision.settled:
            return
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

    def _refresh(self, service: Json, live: list[Json]) -> None:
        """Bring the counts up to date, and drop deployments with no task left."""
        states = [(t.get("_deployment_id"), t["lastStatus"]) for t in live if t["desiredStatus"] != "STOPPED"]
        for deployment in service["deployments"]:
            mine = [status for owner, status in states if owner == deployment["id"]]
            deployment["runningCount"] = mine.count("RUNNING")
            deployment["pendingCount"] = len(mine) - deployment["runningCount"]
            self._note_images(service, deployment)
        service["runningCount"] = sum(status == "RUNNING" for _, status in states)
        service["pendingCount"] = len(states) - service["runningCount"]
        owners = {task.get("_deployment_id") for task in live}
        service["deployments"] = [
            d
            for d in service["deployments"]
            if d["status"] == "PRIMARY" or d["id"] in owners or d["rolloutState"] == "FAILED"
        ]
        ecs._recount_cluster(service["clusterArn"].rpartition("/")[2])

    def _note_images(self, service: Json, deployment: Json) -> None:
        revision = self._history.revision_of(service, deployment["id"])
        if revision is None or revision.get("containerImages"):
            return
        digests = deployment.get("_image_digests")
        definition = ecs._task_defs.get(ecs._resolve_td_key(deployment["taskDefinition"]))
        if digests and definition:
            revision["containerImages"] = [
                {
                    "containerName": container["name"],
                    "image": container["image"],
                    **({"imageDigest": digests[container["name"]]} if container["name"] in digests else {}),
                }
                for container in definition["containerDefinitions"]
            ]


def announce(service: Json, text: str) -> None:
    """Add a service event, in ECS's form ``(service name) text``."""
    message = f"(service {service['serviceName']}) {text}"
    service["events"].insert(0, {"id": new_uuid(), "createdAt": ecs._iso(), "message": message})
    del service["events"][EVENTS_KEPT:]


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
