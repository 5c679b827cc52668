"""A deployment of a service, as the step that starts it takes, sees and gives it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from lgtm_deploy.core.errors import RefusedError, TransientError
from lgtm_deploy.core.ports import DeploymentState, Ports, Progress, ServiceState
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.step import Proposal
from lgtm_deploy.core.terraform_release import Release
from lgtm_deploy.steps.results import Deployment, PushedImage

# AWS: ServiceDeployment, status.
CAME_TO_NOTHING = ("STOPPED", "ROLLBACK_FAILED")
_GOES_FORWARD = ("PENDING", "IN_PROGRESS", "SUCCESSFUL")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`pushed` is the image to deploy. `releases` are the services that Terraform releases."""

    pushed: PushedImage
    releases: Mapping[str, Release]

    @property
    def service(self) -> str:
        """Its name in the stack file."""
        return self.pushed.service

    @property
    def digest(self) -> str:
        """The image's digest."""
        return self.pushed.digest

    @property
    def reference(self) -> str:
        """The name of the image in a task definition."""
        return self.pushed.reference

    def started(self, deployment: str, task_definition: str) -> Deployment:
        """Return the deployment of that image with this ARN."""
        return Deployment(
            service=self.service, digest=self.digest, deployment=deployment, task_definition=task_definition
        )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The service's task definition, its image, its newest service deployment (empty: none is listed), the digest that
    it is on (empty: not known), and the path that the load balancer checks.

    `ended` is how that deployment ended, where it came to nothing. `begun`: it has begun since this step's first look,
    and is this step's own.

    Where Terraform releases the service, `release` is what was approved, and `grace` the grace period, which an apply
    would reset. `applied`: it was applied since the first look, and the state has the revision `registered`;
    `grace_lost`: the grace period is another one since then.
    """

    task_definition: str
    image: str
    deployment: str
    digest: str
    path: str = ""
    ended: str = ""
    begun: bool = False
    release: Release = field(default_factory=Release)
    grace: int = 0
    grace_lost: bool = False
    applied: bool = False
    registered: str = ""


class TaskDefinitions(ABC):
    """The source that the revisions of a service's task definition come from."""

    def __init__(self, stack: Stack, ports: Ports) -> None:
        self.stack = stack
        self.ports = ports

    @abstractmethod
    def recall(self, seen: Seen, first: Seen) -> Seen:
        """Return what is seen now, with what has come of this step since the first look."""

    @abstractmethod
    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Deployment]:
        """Return what would change. Pure."""

    @abstractmethod
    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Deployment:
        """Start the deployment. Safe to repeat."""

    @abstractmethod
    def quiesce(self, seen: Seen, progress: Progress) -> None:
        """Wait until nothing that an earlier process began can land any more."""

    @abstractmethod
    def go_back(self, inputs: Inputs, seen: Seen, state: ServiceState, progress: Progress, *, ended: bool) -> None:
        """Deploy what ran before. `ended`: the newest deployment of it came to nothing."""

    @abstractmethod
    def is_back(self, inputs: Inputs, seen: Seen, state: ServiceState) -> bool:
        """Whether the service names what ran before."""

    @abstractmethod
    def wrong_image(self, seen: Seen, digest: str) -> str:
        """Return why the digest that runs after a rollback is not the earlier one; empty when it is."""


def newest(ports: Ports, state: ServiceState) -> DeploymentState | None:
    """The service's newest deployment, None where none is listed. Raises TransientError: ECS does not list it yet."""
    if not state.deployment:
        return None
    found = ports.rollouts.deployment(state.deployment)
    # ECS goes back to an earlier task definition by itself; else the newest deployment is the one of the newest.
    other = found.task_definition not in ("", state.task_definition)
    if other and found.status in _GOES_FORWARD:
        raise TransientError(f"ECS does not list the newest deployment of {state.name} yet.")
    return found


def release_of(service: Service, releases: Mapping[str, Release]) -> Release:
    """Return how Terraform releases the service; an empty one where it does not.

    Raises RefusedError: the stack file says that it does, and the recipe has no step that plans it.
    """
    found = releases.get(service.name, Release())
    if service.task_definition and not found.root:
        raise RefusedError(
            f"The recipe deploys {service.name} without a plan of Terraform root '{service.task_definition}'.",
            resolution="Let the recipe name the service in its PlanTaskDefinitions step.",
        )
    return found
