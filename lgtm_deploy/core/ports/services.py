"""Services, their rollouts and their tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from lgtm_deploy.core.ports.image_probe import ContainerSpec


@dataclass(frozen=True, kw_only=True)
class ServiceEvent:
    """Something that the host tells of a service, in its own words (AWS: ServiceEvent)."""

    at: datetime
    message: str


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """A service as its host describes it. Times are in seconds."""

    name: str
    task_definition: str
    images: Mapping[str, str]
    """Container name -> image reference of the current task definition."""
    desired: int
    running: int
    pending: int
    grace_period_seconds: int
    minimum_healthy_percent: int
    maximum_percent: int
    circuit_breaker: bool
    target_groups: tuple[str, ...]
    """ARNs of the target groups its tasks register in."""
    platform: str
    """Docker's spelling of the task definition's runtime platform; `linux/amd64` when it names none."""
    deployment: str
    """ARN of the newest service deployment, or empty."""
    registered_ports: Mapping[str, int] = field(default_factory=dict)
    """Target group's ARN -> the container's port that is registered there (AWS: LoadBalancer, containerPort)."""
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False, repr=False)
    """Container name -> environment variables of the current task definition. Values may be secret: they are never
    written down whole."""
    health_checks: Mapping[str, str] = field(default_factory=dict)
    """Container name -> command of its container health check, where the task definition has one."""
    essential_checks: tuple[str, ...] = ()
    """Names of the essential containers that have a container health check."""
    aliases: tuple[str, ...] = ()
    """Names that other tasks reach it by: client aliases of Service Connect."""
    registries: tuple[str, ...] = ()
    """ARNs of the Cloud Map services that its tasks register in."""
    events: tuple[ServiceEvent, ...] = field(default=(), compare=False)
    """What the host has told lately, newest first (AWS keeps the last 100)."""


TaskStatus = Literal["pending", "running", "stopping", "stopped"]
# unknown: no essential container has a health check, or one is not evaluated yet (AWS: Task, healthStatus).
TaskHealth = Literal["unknown", "healthy", "unhealthy"]


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """One container of a task. `exit_code` is None while it runs."""

    name: str
    image: str
    digest: str
    exit_code: int | None = None
    reason: str = ""
    health: TaskHealth = "unknown"
    """What its own container health check says."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task of a service. `stop_code` and `stopped_reason` are AWS's words."""

    arn: str
    task_definition: str
    status: TaskStatus
    address: str
    created_at: datetime | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    containers: tuple[ContainerState, ...] = ()
    health: TaskHealth = "unknown"
    """What its container health checks say."""

    def exit_code_of(self, container: str) -> int | None:
        """The container's exit code; None while it runs, or when it never ran."""
        return next((each.exit_code for each in self.containers if each.name == container), None)

    def digest_of(self, container: str) -> str:
        """The digest that the container runs; empty while it is not known."""
        return next((each.digest for each in self.containers if each.name == container), "")

    def health_of(self, container: str) -> TaskHealth:
        """What the container's own health check says."""
        return next((each.health for each in self.containers if each.name == container), "unknown")


DeploymentStatus = Literal[
    "PENDING",
    "IN_PROGRESS",
    "SUCCESSFUL",
    "STOP_REQUESTED",
    "STOPPED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_SUCCESSFUL",
    "ROLLBACK_FAILED",
]


@dataclass(frozen=True, kw_only=True)
class DeploymentState:
    """One service deployment (AWS: DescribeServiceDeployments). `task_definition` is its target revision's."""

    arn: str
    status: DeploymentStatus
    reason: str
    task_definition: str
    digests: Mapping[str, str]
    """Container name -> digest that this deployment runs (AWS: DescribeServiceRevisions): its target revision's or,
    once ECS rolls it back, those of the revision that it goes back to."""
    desired: int
    """How many tasks it is to have (AWS: targetServiceRevision.requestedTaskCount)."""
    failed_tasks: int
    failure_threshold: int
    created_at: datetime | None = None
    finished_at: datetime | None = None


class ServiceHost(Protocol):
    """Runs services. Changes are never repeated by the adapter itself."""

    def service(self, name: str) -> ServiceState:
        """The service now. Raises NotFoundError (no such cluster or service)."""

    def container(self, service: str, container: str) -> ContainerSpec:
        """How the service's current task definition starts that container. Raises NotFoundError (no such service, or
        no such container in it)."""

    def is_registered(self, task_definition: str) -> bool:
        """Whether that revision can be deployed (AWS: TaskDefinition, status ACTIVE). Raises NotFoundError."""

    def revise(self, service: str, images: Mapping[str, str]) -> str:
        """A new task definition revision: the service's current one with these images; returns its ARN.

        Raises InDoubtError when the outcome is unknown.
        """

    def registered_names(self, registries: Sequence[str]) -> Sequence[str]:
        """Return the names, such as `tempo.lgtm.local`, of Cloud Map services (ARNs).

        Those that cannot be asked for are left out.
        """

    def update(
        self,
        service: str,
        *,
        task_definition: str | None = None,
        force: bool = False,
        grace_period_seconds: int | None = None,
    ) -> str:
        """Changes the service and returns the ARN of its newest service deployment.

        A task definition or `force` starts one deployment; a grace period alone starts none.
        """


class RolloutView(Protocol):
    """Looks at how a rollout goes."""

    def deployment(self, arn: str) -> DeploymentState:
        """The service deployment of that ARN. Raises NotFoundError."""

    def tasks(self, service: str) -> Sequence[TaskState]:
        """Tasks of the service: those that run, and those that stopped lately (AWS keeps them for about an hour)."""

    def last_lines(self, task: TaskState, container: str, limit: int) -> Sequence[str]:
        """The last log lines of a container, oldest first; empty where its logs cannot be read."""
