"""How a service on ECS rolls out: tasks, deployments, grace period, circuit breaker."""

from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil

from lgtm_deploy.core.ports import (
    ContainerSpec,
    ContainerState,
    DeploymentState,
    DeploymentStatus,
    ServiceEvent,
    TaskHealth,
    TaskState,
    TaskStatus,
)
from lgtm_deploy.fakes.clock import FakeClock
from lgtm_deploy.fakes.image import Contract, Life
from lgtm_deploy.fakes.targets import FakeTargetGroup

UNSETTLED: tuple[DeploymentStatus, ...] = ("PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
# AWS: ECS developer guide, "How the circuit breaker works": half of desired, but between 3 and 200.
BREAKER_LEAST, BREAKER_MOST = 3, 200


@dataclass(kw_only=True)
class FakeRevision:
    """A revision of a task definition; `images` maps containers to image references. A deregistered one is not
    `active`."""

    arn: str
    images: dict[str, str]
    active: bool = True


@dataclass(kw_only=True)
class FakeDeployment:
    """A service deployment. `contract` is None when its image cannot be pulled; `back_to` is what ECS goes back to."""

    arn: str
    revision: FakeRevision
    digests: dict[str, str]
    contract: Contract | None
    created: float
    status: DeploymentStatus = "PENDING"
    reason: str = ""
    failed: int = 0
    finished: float | None = None
    back_to: "FakeDeployment | None" = None
    forgotten: bool = False
    """Whether it is older than the history that ECS lists."""

    def finish(self, status: DeploymentStatus, now: float, reason: str = "") -> None:
        """Ends it."""
        self.status, self.finished, self.reason = status, now, reason or self.reason


@dataclass(kw_only=True)
class FakeTask:
    """A task of one container."""

    arn: str
    address: str
    deployment: FakeDeployment
    created: float
    started: float | None = None
    drained: float | None = None
    """When its draining ends."""
    stopped: float | None = None
    stop_code: str = ""
    reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    life: Life | None = None

    @property
    def status(self) -> TaskStatus:
        """Where it is in its life."""
        if self.stopped is not None:
            return "stopped"
        if self.drained is not None:
            return "stopping"
        return "pending" if self.started is None else "running"

    @property
    def is_wanted(self) -> bool:
        """Whether nobody has asked it to stop."""
        return self.status in {"pending", "running"}

    def ask(self, path: str, now: float, method: str = "GET") -> tuple[int, str] | None:
        """What it answers, or None."""
        if self.started is None or self.stopped is not None or self.deployment.contract is None:
            return None
        if self.life is None or self.life.contract is not self.deployment.contract:
            self.life = Life(contract=self.deployment.contract, started=self.started)
        return self.life.ask(path, now, method)

    def end(self, now: float, *, code: str, reason: str, exit_code: int | None = None, container: str = "") -> None:
        """It has stopped."""
        self.stopped, self.stop_code, self.reason = now, code, reason
        self.exit_code, self.container_reason = exit_code, container


@dataclass(kw_only=True)
class FakeService:
    """A service and its scheduler. Change it through the host; read anything."""

    name: str
    container: str
    port: int
    clock: FakeClock
    groups: list[FakeTargetGroup]
    desired: int = 1
    grace_period: int = 0
    minimum_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: bool = True
    platform: str = "linux/amd64"
    spec: ContainerSpec = field(default_factory=ContainerSpec)
    """How its task definition starts its container."""
    environment: dict[str, dict[str, str]] = field(default_factory=dict)
    """Container -> environment variables of its task definition."""
    check: str = ""
    """Path that its container health check asks; empty: it has none."""
    registries: dict[str, str] = field(default_factory=dict)
    """Cloud Map service's ARN -> name."""
    network: int = 0
    """The third number of its tasks' addresses."""
    revisions: list[FakeRevision] = field(default_factory=list)
    deployments: list[FakeDeployment] = field(default_factory=list)
    tasks: list[FakeTask] = field(default_factory=list)
    events: list[ServiceEvent] = field(default_factory=list)
    """What it has told, newest first."""
    resolves_after: float = 0.0
    """So many seconds a deployment takes to tell its digests."""
    crowded: str = ""
    """Why no task can be placed; empty: there is room."""
    wanted: FakeDeployment | None = None
    """The deployment whose tasks are to run: the newest, or the last good one during a rollback."""

    @property
    def healthy(self) -> list[FakeTask]:
        """Running tasks that are healthy in every target group and by their container health check.

        AWS: minimum healthy percent counts only these.
        """
        return [
            task
            for task in self.tasks
            if task.status == "running"
            and all(group.status_of(task.address) == "healthy" for group in self.groups)
            and (not self.check or self.health_of(task) == "healthy")
        ]

    def health_of(self, task: FakeTask) -> TaskHealth:
        """What its container health check says."""
        if not self.check or task.status != "running":
            return "unknown"
        got = task.ask(self.check, self.clock.monotonic())
        return "healthy" if got and got[0] == HTTPStatus.OK else "unhealthy"

    @property
    def threshold(self) -> int:
        """So many failed tasks trip the circuit breaker."""
        return min(max(ceil(self.desired / 2), BREAKER_LEAST), BREAKER_MOST)

    def begin(self, deployment: FakeDeployment) -> None:
        """Starts a deployment; one that is under way is replaced by it."""
        if self.deployments and self.deployments[-1].status in UNSETTLED:
            now = self.clock.monotonic()
            self.deployments[-1].finish("STOPPED", now, "A newer deployment replaced this one.")
        self.deployments.append(deployment)
        self.wanted = deployment

    def tell(self, now: float, text: str) -> None:
        """A service event (AWS: "Service event messages")."""
        self.events.insert(0, ServiceEvent(at=self.clock.at(now), message=f"(service {self.name}) {text}"))

    def tick(self, now: float) -> None:
        """Does what the scheduler does at this moment."""
        if self.wanted is None:
            return
        newest = self.deployments[-1]
        if newest.status == "PENDING":
            newest.status = "IN_PROGRESS"
        for task in self.tasks:
            self._live(task, now)
        self._stop_unhealthy(now)
        self._trip(newest, now)
        self._fill(now)
        self._complete(newest, now)

    def _live(self, task: FakeTask, now: float) -> None:
        contract = task.deployment.contract
        if task.status == "stopping" and task.drained is not None and now >= task.drained:
            for group in self.groups:
                group.forget(task.address)
            task.end(now, code=task.stop_code, reason=task.reason, exit_code=0)
        if task.status != "pending":
            return
        if contract is None:
            task.deployment.failed += 1
            words = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
            task.end(now, code="TaskFailedToStart", reason=words, container=words)
        elif now >= task.created + contract.start_seconds:
            task.started = now
            if contract.exit_code is not None:
                task.deployment.failed += 1
                words = "Essential container in task exited"
                task.end(now, code="EssentialContainerExited", reason=words, exit_code=contract.exit_code)
                return
            for group in self.groups:
                group.register(task, self.port, now)

    def _stop_unhealthy(self, now: float) -> None:
        for task in self.tasks:
            if task.status != "running" or task.started is None or now < task.started + self.grace_period:
                continue
            sick = [group for group in self.groups if group.status_of(task.address) == "unhealthy"]
            if sick:
                task.deployment.failed += 1
                why = sick[0].targets[task.address].description
                where = f"(port {self.port}) is unhealthy in (target-group {sick[0].arn})"
                self.tell(now, f"(task {task.arn.rpartition('/')[2]}) {where} due to (reason {why}).")
                self._retire(task, now, f"Task failed ELB health checks in (target-group {sick[0].arn})")

    def _trip(self, newest: FakeDeployment, now: float) -> None:
        if not self.circuit_breaker or newest.status != "IN_PROGRESS" or newest.failed < self.threshold:
            return
        good = [each for each in self.deployments if each.status == "SUCCESSFUL"]
        newest.reason = "Service deployment rolled back because the circuit breaker threshold was exceeded."
        if not good:
            newest.finish("ROLLBACK_FAILED", now)
            return
        newest.status = "ROLLBACK_IN_PROGRESS"
        self.wanted = newest.back_to = good[-1]

    def _fill(self, now: float) -> None:
        missing = self.desired - sum(task.is_wanted and task.deployment is self.wanted for task in self.tasks)
        room = self.desired * self.maximum_percent // 100 - sum(task.is_wanted for task in self.tasks)
        if missing > 0 and room <= 0:
            self._make_room(now)
        if self.crowded and min(missing, room) > 0:
            self.tell(now, f"was unable to place a task because {self.crowded}.")
            return
        for _ in range(min(missing, room)):
            self._start(now)

    def _make_room(self, now: float) -> None:
        spare = len(self.healthy) - ceil(self.desired * self.minimum_percent / 100)
        for task in [task for task in self.tasks if task.is_wanted and task.deployment is not self.wanted]:
            if spare > 0 or task not in self.healthy:
                spare -= task in self.healthy
                self._retire(task, now, "Scaling activity initiated by a deployment")

    def _start(self, now: float) -> None:
        number = len(self.tasks) + 1
        if self.wanted is not None:
            arn = f"{self.wanted.arn.replace(':service-deployment/', ':task/').rpartition('/')[0]}/{number:032x}"
            address = f"10.0.{self.network}.{number % 250 + 1}"
            self.tasks.append(FakeTask(arn=arn, address=address, deployment=self.wanted, created=now))

    def _retire(self, task: FakeTask, now: float, reason: str) -> None:
        delay = max((group.deregistration_delay for group in self.groups), default=0)
        task.drained, task.stop_code, task.reason = now + delay, "ServiceSchedulerInitiated", reason
        for group in self.groups:
            group.drain(task.address)

    def _complete(self, newest: FakeDeployment, now: float) -> None:
        if newest.status not in UNSETTLED:
            return
        if sum(task.deployment is self.wanted for task in self.healthy) < self.desired:
            return
        others = [task for task in self.tasks if task.deployment is not self.wanted and task.status != "stopped"]
        for task in others:
            if task.is_wanted:
                self._retire(task, now, f"Scaling activity initiated by (deployment {newest.arn.rpartition('/')[2]})")
        if not others:
            newest.failed = newest.failed if newest.status == "ROLLBACK_IN_PROGRESS" else 0
            newest.finish("SUCCESSFUL" if newest.status == "IN_PROGRESS" else "ROLLBACK_SUCCESSFUL", now)

    def deployment_state(self, deployment: FakeDeployment) -> DeploymentState:
        """As the port describes it."""
        resolved = self.clock.monotonic() >= deployment.created + self.resolves_after
        return DeploymentState(
            arn=deployment.arn,
            status=deployment.status,
            reason=deployment.reason,
            task_definition=deployment.revision.arn,
            digests=dict((deployment.back_to or deployment).digests) if resolved else {},
            desired=self.desired,
            failed_tasks=deployment.failed,
            failure_threshold=self.threshold,
            created_at=self.clock.at(deployment.created),
            finished_at=None if deployment.finished is None else self.clock.at(deployment.finished),
        )

    def task_state(self, task: FakeTask) -> TaskState:
        """As the port describes it."""
        container = ContainerState(
            name=self.container,
            image=task.deployment.revision.images[self.container],
            digest=task.deployment.digests.get(self.container, ""),
            exit_code=task.exit_code,
            reason=task.container_reason,
            health=self.health_of(task),
        )
        return TaskState(
            arn=task.arn,
            task_definition=task.deployment.revision.arn,
            status=task.status,
            address=task.address,
            created_at=self.clock.at(task.created),
            started_at=None if task.started is None else self.clock.at(task.started),
            stopped_at=None if task.stopped is None else self.clock.at(task.stopped),
            stop_code=task.stop_code,
            stopped_reason=task.reason,
            containers=(container,),
            health=self.health_of(task),
        )
