"""Who looks at every task and service, again and again?"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import ecs

from .containers import Containers
from .discovery import Discovery
from .services import ServiceKeeper
from .stopping import Stopper, targets_of
from .targets import TargetTable

log = logging.getLogger("shim.scheduler")
TICK_SECONDS = 0.1
# AWS: "Stopped tasks ... are visible for about one hour" (stopped-task-errors).
STOPPED_TASKS_KEPT_SECONDS = 3600.0
DOCKER_HEALTH = {"healthy": "HEALTHY", "unhealthy": "UNHEALTHY"}

Json = dict[str, Any]


class Scheduler:
    """Replaces MiniStack's service reconciler with one loop that is the only one to change services."""

    def __init__(
        self,
        containers: Containers,
        table: TargetTable,
        stopper: Stopper,
        keeper: ServiceKeeper,
        discovery: Discovery,
    ) -> None:
        """Work on MiniStack's own records; ``lock`` guards them and API calls take it too."""
        self.lock = threading.RLock()
        self._discovery = discovery
        self._containers = containers
        self._table = table
        self._stopper = stopper
        self._keeper = keeper
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
                            self._guarded(key, self._keeper.advance, service)
                self._guarded("the hosts files", self._discovery.publish)

    def _guarded(self, name: str, action: Any, *subject: Json) -> None:
        try:
            action(*subject)
        except Exception:
            log.exception("The scheduler failed on %s", name)

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
        definitions = {each["name"]: each for each in definition.get("containerDefinitions", [])}
        ended, verdicts = False, []
        for index, identifier in enumerate(task.get("_docker_ids") or []):
            state, entry = self._containers.state_of(identifier), task["containers"][index]
            container = definitions[entry["name"]]
            essential = container.get("essential", True)
            if not state.running:
                entry.update(lastStatus="STOPPED", exitCode=state.exit_code)
                ended = ended or essential
            if container.get("healthCheck"):
                entry["healthStatus"] = DOCKER_HEALTH.get(state.health or "", "UNKNOWN")
                verdicts += [entry["healthStatus"]] if essential else []
        # AWS: Task.healthStatus, "the overall health of the task's essential containers".
        task["_checked"] = bool(verdicts)
        task["healthStatus"] = next((v for v in ("UNHEALTHY", "UNKNOWN", "HEALTHY") if v in verdicts), "UNKNOWN")
        if ended:
            self._stopper.begin(task, "Essential container in task exited", "EssentialContainerExited", drain=False)
