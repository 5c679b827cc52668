"""How does a task end: drained, stopped, its exit codes and last lines kept?"""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager
from typing import Any

from docker.errors import APIError, NotFound
from ministack.core.concurrency import resource_lock
from ministack.services import ecs, ecs_metadata

from .containers import Containers
from .launch import record_task
from .logs import LogForwarder
from .records import Records
from .scopes import scope_of
from .targets import Target, TargetTable

log = logging.getLogger("shim.stopping")
STARTING = ("PROVISIONING", "PENDING", "ACTIVATING")
# AWS: ContainerDefinition.stopTimeout, "the default value of 30 seconds is used".
DEFAULT_STOP_TIMEOUT = 30

Json = dict[str, Any]


class Stopper:
    """Ends tasks the way ECS does, in place of MiniStack's immediate stop.

    A running task that is a target is deregistered first and gets SIGTERM when its deregistration delay is over
    (AWS: task-lifecycle, DEACTIVATING; update-load-balancer, "deregistration delay").
    """

    def __init__(self, records: Records, table: TargetTable, containers: Containers, logs: LogForwarder) -> None:
        """Deregister in ``table`` and read exit codes from ``containers``."""
        self._records = records
        self._table = table
        self._containers = containers
        self._logs = logs

    def install(self) -> None:
        """Put the replacements into MiniStack."""
        ecs._mark_task_stopped = self.mark_stopped
        ecs._maybe_mark_stopped = lambda *_: None
        ecs._watch_task_lifecycle = lambda *_: None

    def begin(self, task: Json, reason: str, stop_code: str, *, drain: bool = True) -> bool:
        """Begin to stop a task; returns whether it was not stopping yet."""
        if task.get("desiredStatus") == "STOPPED":
            return False
        before = task["lastStatus"]
        task.update(desiredStatus="STOPPED", stoppedReason=reason, stopCode=stop_code, stoppingAt=ecs._iso())
        ecs._bump_task_version(task)
        for target in targets_of(task):
            self._table.deregister(target)
        task["_drain"] = drain and before == "RUNNING"
        if before == "RUNNING":
            task["lastStatus"] = "DEACTIVATING"
            record_task(self._records, task, before)
        return True

    def advance(self, task: Json) -> None:
        """End a stopping task once its targets have drained."""
        if task.get("_ending") or task["lastStatus"] == "STOPPED":
            return
        if task.get("_drain") and any(self._table.health_of(t).state == "draining" for t in targets_of(task)):
            return
        task["_ending"] = True
        threading.Thread(target=self._end, args=(task,), daemon=True, name="shim-stop").start()

    def mark_stopped(self, _arn: str, task: Json, reason: str, stop_code: str, exit_code: int | None = None) -> bool:
        """Stop a task that could not start (MiniStack's task worker calls this)."""
        if task.get("desiredStatus") == "STOPPED":
            return False
        with unread(task):
            task.update(desiredStatus="STOPPED", stoppedReason=reason, stopCode=stop_code, stoppingAt=ecs._iso())
            for container in task.get("containers", []):
                container["reason"] = reason
                if exit_code is not None:
                    container["exitCode"] = exit_code
        self._finish(task)
        return True

    def _end(self, task: Json) -> None:
        with scope_of(task["taskArn"]):
            self._move(task, "STOPPING")
            client = ecs._get_docker()
            for index, container in reversed(list(enumerate(task.get("_docker_ids") or []))):
                try:
                    code = self._stop_container(client, container, _stop_timeout(task, index))
                    task["containers"][index]["exitCode"] = code
                except (APIError, NotFound, OSError) as error:
                    log.warning("Stopping container %s failed: %s", container[:12], error)
            self._move(task, "DEPROVISIONING")
            self._finish(task)

    def _stop_container(self, client: Any, identifier: str, timeout: int) -> int:
        if self._containers.state_of(identifier).running:
            client.api.stop(identifier, timeout=timeout)
        code = int(client.api.inspect_container(identifier)["State"]["ExitCode"])
        self._logs.drain(identifier)
        client.api.remove_container(identifier, v=True, force=True)
        return code

    def _finish(self, task: Json) -> None:
        for token in task.get("_metadata_tokens") or []:
            ecs_metadata.unregister_token(token)
        with unread(task):
            task["executionStoppedAt"] = task["stoppedAt"] = ecs._iso()
            for container in task.get("containers", []):
                container["lastStatus"] = "STOPPED"
            if task["lastStatus"] not in STARTING:
                task["_docker_ids"] = []
        self._move(task, "STOPPED")

    def _move(self, task: Json, status: str) -> None:
        before, task["lastStatus"] = task["lastStatus"], status
        ecs._bump_task_version(task)
        record_task(self._records, task, before)


def unread(task: Json) -> AbstractContextManager[bool]:
    """Keep DescribeTasks from reading a task while keys are added to it; MiniStack's own lock for that."""
    lock: AbstractContextManager[bool] = resource_lock("ecs-task", task["taskArn"])
    return lock


def targets_of(task: Json) -> list[Target]:
    """The targets that a task is registered as."""
    return [Target(str(group), str(address), int(port)) for group, address, port in task.get("_targets") or []]


def _stop_timeout(task: Json, index: int) -> int:
    definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
    name = task["containers"][index]["name"]
    wanted = [each.get("stopTimeout") for each in definition.get("containerDefinitions", []) if each["name"] == name]
    return int(next(iter(wanted), None) or DEFAULT_STOP_TIMEOUT)
