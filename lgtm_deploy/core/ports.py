"""What steps and engine need from outside, named by need.

Every port has an adapter (the real thing), a fake (in memory) and one contract suite that both pass. Adapters raise
only the errors of `core.errors`: TransientError (try again), InDoubtError (a change whose outcome is unknown),
NotFoundError, AccessError, MissingToolError and other PermanentErrors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from lgtm_deploy.core.event import Event, Record

# Tells what a long action is doing right now. It may raise InterruptedRunError or DeadlineError: the action then stops
# what it started (a child process, an upload) and lets the error through. Long silent actions call it with "" at least
# every 0.2 s.
Progress = Callable[[str], None]


# -- images ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What an image is made of. `platform` is Docker's spelling, such as `linux/amd64`."""

    context: Path
    dockerfile: str
    build_args: Mapping[str, str]
    platform: str


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image in the local engine: its id (`sha256:…` of its configuration), size in bytes, and whether it was built
    now or found."""

    id: str
    size: int


class ImageBuilder(Protocol):
    """Makes images from a build context."""

    def identity(self, request: BuildRequest) -> str:
        """The image's identity: 64 hex digits, a hash of context (after .dockerignore), Dockerfile, base digest,
        arguments and platform; the same for the same content, whenever and wherever it is asked.

        Raises NotFoundError (no context, no Dockerfile, base image nowhere to be found), MissingToolError (no engine).
        """
        ...

    def build(self, request: BuildRequest, labels: Mapping[str, str], progress: Progress) -> BuiltImage:
        """Builds. Raises PermanentError with the failing instruction and its last output lines."""
        ...


class Registry(Protocol):
    """Keeps images under tags and digests."""

    def digest_of(self, repository: str, tag: str) -> str | None:
        """The digest (`sha256:…`) that a tag names, or None. Raises NotFoundError when there is no such repository."""
        ...

    def reference(self, repository: str, digest: str) -> str:
        """How a task definition names that image: `<registry>/<repository>@<digest>`."""
        ...

    def push(self, image_id: str, repository: str, tag: str, progress: Progress) -> str:
        """Pushes an image of the local engine and returns its digest.

        A tag that already has this image is a success; one that has another is moved where the repository lets tags
        move, else AlreadyExistsError is raised.
        """
        ...


# -- services ----------------------------------------------------------------------------------------------------------
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


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """One container of a task. `exit_code` is None while it runs."""

    name: str
    image: str
    digest: str
    exit_code: int | None = None
    reason: str = ""


TaskStatus = Literal["pending", "running", "stopping", "stopped"]


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
        ...

    def revise(self, service: str, images: Mapping[str, str]) -> str:
        """A new task definition revision: the service's current one with these images; returns its ARN.

        Raises InDoubtError when the outcome is unknown.
        """
        ...

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
        ...


class RolloutView(Protocol):
    """Looks at how a rollout goes."""

    def deployment(self, arn: str) -> DeploymentState:
        """The service deployment of that ARN. Raises NotFoundError."""
        ...

    def tasks(self, service: str) -> Sequence[TaskState]:
        """Tasks of the service: those that run, and those that stopped lately (AWS keeps them for about an hour)."""
        ...

    def last_lines(self, task: TaskState, container: str, limit: int) -> Sequence[str]:
        """The last log lines of a container, oldest first; empty where its logs cannot be read."""
        ...


# -- load balancer -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How a target group checks its targets. Interval and timeout are in seconds."""

    path: str
    matcher: str
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """A target group and its health check. `deregistration_delay` is in seconds."""

    arn: str
    name: str
    health_check: HealthCheck
    deregistration_delay: int


TargetStatus = Literal["initial", "healthy", "unhealthy", "draining", "unused", "unavailable"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A registered target. `reason` is AWS's code, `description` its sentence."""

    address: str
    port: int
    status: TargetStatus
    reason: str = ""
    description: str = ""


class Balancer(Protocol):
    """Spreads requests over targets and checks their health."""

    def target_group(self, name: str) -> TargetGroup:
        """The target group of that name. Raises NotFoundError."""
        ...

    def targets(self, arn: str) -> Sequence[Target]:
        """The targets of the group with that ARN, as checked now."""
        ...

    def address(self, name: str) -> str:
        """The URL of the load balancer of that name. Raises NotFoundError."""
        ...


# -- infrastructure ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """One entry of a Terraform plan's `resource_changes`."""

    address: str
    type: str
    actions: tuple[str, ...]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlannedChanges:
    """A saved plan: where it is, the SHA-256 of its file, and what it would change (no-ops and reads left out)."""

    file: Path
    sha256: str
    changes: tuple[ResourceChange, ...]


class Infrastructure(Protocol):
    """Changes infrastructure by saved plans only. `root` is the root module's folder."""

    def init(self, root: Path, backend_config: Sequence[Path], progress: Progress) -> None:
        """Prepares the root: providers and backend. Raises PermanentError with Terraform's own first error."""
        ...

    def plan(
        self, root: Path, var_files: Sequence[Path], variables: Mapping[str, str], out: Path, progress: Progress
    ) -> PlannedChanges:
        """Saves a plan into `out`. Changes nothing outside."""
        ...

    def apply(self, root: Path, plan: PlannedChanges, progress: Progress) -> None:
        """Applies exactly that saved plan. Raises PermanentError when it is stale or its file was changed,
        InDoubtError when Terraform was stopped or died on the way."""
        ...


# -- probes ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an HTTP request got: the body's first 4,096 characters, and how long it took in seconds."""

    status: int
    body: str
    seconds: float
    location: str = ""


class TaskProbe(Protocol):
    """Asks a task directly, past the load balancer."""

    def ask(self, address: str, port: int, path: str) -> Answer:
        """GET; redirects are not followed. Raises TransientError when nothing answers."""
        ...

    def reaches(self, address: str, port: int) -> bool:
        """Whether a connection to that address can be opened from here at all."""
        ...


class StackProbe(Protocol):
    """Asks the stack as a user does: through the load balancer, with the tenant's header."""

    def ask(self, path: str) -> Answer:
        """GET; redirects are not followed. Raises TransientError when nothing answers."""
        ...


# -- caller, time ------------------------------------------------------------------------------------------------------
class Caller(Protocol):
    """Who is calling."""

    def account(self) -> str:
        """The account id of the credentials in use. Raises AccessError."""
        ...


class Clock(Protocol):
    """Time, in one place."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Everything outside that steps may use."""

    builder: ImageBuilder
    registry: Registry
    host: ServiceHost
    rollouts: RolloutView
    balancer: Balancer
    infrastructure: Infrastructure
    task_probe: TaskProbe
    stack_probe: StackProbe
    caller: Caller
    clock: Clock
    workspace: Path
    """A folder for files of the run, such as saved plans."""


# -- memory ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One line of the list of runs."""

    run: str
    plan: str
    environment: str
    by: str
    started: datetime
    finished: datetime | None
    verdict: str
    """Empty while the run has none."""
    seconds: float


class Journal(Protocol):
    """Remembers every event of every run, in order, for good."""

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Writes the events and returns only when they are on disk (one sync for all of them).

        Raises JournalError: a full disk, a damaged file.
        """
        ...

    def records(self, run: str) -> Sequence[Record]:
        """All of a run's records in order; empty when there is no such run."""
        ...

    def runs(self, limit: int) -> Sequence[RunSummary]:
        """The newest runs first."""
        ...


class Lock(Protocol):
    """Lets one run at a time change an environment."""

    def take(self, environment: str, run: str, holder: str) -> int:
        """Takes the environment and returns the fencing token. Raises LockHeldError, naming holder, run and since."""
        ...

    def release(self, environment: str, run: str) -> None:
        """Gives the environment back; nothing happens when this run does not hold it."""
        ...
