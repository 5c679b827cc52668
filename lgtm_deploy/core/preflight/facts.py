"""What preflight has seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lgtm_deploy.core.consumers import Named
from lgtm_deploy.core.ports import ListenerRule, Permission, ServiceState, TargetGroup
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.terraform_files import DeclaredService


@dataclass(frozen=True, kw_only=True)
class RunningImage:
    """The image that a service runs. `tags` are those that keep it in its repository, None once it is gone from there;
    `expires`: a lifecycle rule removes what has no tag."""

    digest: str
    tags: tuple[str, ...] | None
    expires: bool = False


@dataclass(frozen=True, kw_only=True)
class ServiceFacts:
    """One service. `missing` says what is not there, a sentence each.

    `committed` is the digest that the registry has of what is committed: empty when it has none, None when that could
    not be found out. `image` is None where the service runs an image of another repository, or none yet.
    """

    service: Service
    missing: tuple[str, ...] = ()
    state: ServiceState | None = None
    group: TargetGroup | None = None
    further: tuple[TargetGroup, ...] = ()
    """Target groups that its tasks are in beside that one."""
    image: RunningImage | None = None
    committed: str | None = None
    tasks: tuple[str, ...] = ()
    """Addresses of running tasks."""
    unreachable: tuple[str, ...] = ()
    """Those of them to which no connection can be opened from here."""

    @property
    def reference(self) -> str:
        """The image as the task definition names it; empty when that is not known."""
        return self.state.images.get(self.service.container, "") if self.state else ""

    @property
    def runs_what_is_committed(self) -> bool:
        """Whether the image that runs is the one that would be built now."""
        return bool(self.image and self.image.digest and self.image.digest == self.committed)

    @property
    def changes(self) -> bool:
        """Whether a deployment would change its image or its health check's path."""
        return not self.runs_what_is_committed or bool(
            self.group and self.group.health_check.path != self.service.health.path
        )


@dataclass(frozen=True, kw_only=True)
class VariableUse:
    """A URL in the running task definition of a service.

    It is in an environment variable of a container, or in the command of its container health check (`variable` is
    empty then).
    """

    consumer: str
    ecs_service: str
    container: str
    variable: str
    named: Named


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A line of a CI workflow that deploys ECS services; `services` are those of the plan that the file names."""

    place: str
    says: str
    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All of it. `services` and `dependents` are the plan's. `bystanders` are not in the plan: a file in their image
    names a path that is there only after the change."""

    services: tuple[ServiceFacts, ...]
    dependents: tuple[ServiceFacts, ...] = ()
    bystanders: tuple[ServiceFacts, ...] = ()
    rules: tuple[ListenerRule, ...] = ()
    named: tuple[Named, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    """File -> the service in whose image it ends."""
    variables: tuple[VariableUse, ...] = ()
    declared: tuple[DeclaredService, ...] = ()
    """ECS services that the environment's Terraform roots declare."""
    unreadable: tuple[str, ...] = ()
    """Terraform files that are not read, or cannot be parsed, a sentence each."""
    unlocked: Mapping[str, bool] = field(default_factory=dict)
    """Folder of a Terraform root that has no dependency lock file and needs one -> whether the plan uses that root."""
    workflows: tuple[Workflow, ...] = ()
    unseen: tuple[str, ...] = ()
    """Why task definitions of services outside the plan could not be looked at, a sentence each."""
    missing: tuple[str, ...] = ()
    shadow_obstacle: str = ""
    """Why there can be no shadow target groups; empty when there can, or when none are needed."""
    wanted: tuple[Permission, ...] = ()
    given: Mapping[Permission, bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """`wrong` are sentences, each with what to do: one is enough to refuse. `told` are lines to read."""

    wrong: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    def __add__(self, other: "Findings") -> "Findings":
        """Both."""
        return Findings(wrong=self.wrong + other.wrong, told=self.told + other.told)
