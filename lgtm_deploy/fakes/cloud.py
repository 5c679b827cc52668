"""One account with everything in it, and time that only passes when it is told to."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.permit import Permit
from lgtm_deploy.core.ports import HealthCheck, KeptFiles, ListenerRule, Revision
from lgtm_deploy.fakes.clock import FakeClock
from lgtm_deploy.fakes.image import Contract, Source
from lgtm_deploy.fakes.rollout import FakeDeployment, FakeRevision, FakeService, FakeTask
from lgtm_deploy.fakes.script import Call, Script
from lgtm_deploy.fakes.targets import FakeTargetGroup

ValueT = TypeVar("ValueT")

REGION = "eu-west-1"
# How finely the world moves, in seconds.
TICK = 0.5
PORTS = {"HTTP": 80, "HTTPS": 443}
SETTLED_WITHIN = 300.0

# Calls that change something outside: the permit is asked before each.
CHANGES = frozenset(
    {
        "balancer.set_health_check",
        "host.revise",
        "host.update",
        "infrastructure.apply",
        "registry.push",
        "registry.tag",
        "shadow.ask",  # the first question registers the task
        "shadow.create",
        "shadow.remove",
    }
)


@dataclass(kw_only=True)
class FakeRepository:
    """A repository: what its tags name, whether they stay, and whether images without a tag go after a while."""

    tags: dict[str, str] = field(default_factory=dict)
    immutable: bool = True
    expires_untagged: bool = False


@dataclass(kw_only=True)
class FakeDefinition:
    """The task definition of an ECS service as a Terraform root has it: its `containers` (AWS: ContainerDefinition).

    `ignored`: the service ignores changes of its task definition. `kept`: what is replaced stays registered
    (`skip_destroy`). `grace` is the service's grace period, `desired` its desired count (None: ignored), `waits` is
    `wait_for_steady_state`.
    """

    containers: list[dict[str, Any]]
    ignored: bool = False
    kept: bool = False
    grace: int = 0
    desired: int | None = None
    waits: bool = False


@dataclass(kw_only=True)
class FakeDefined:
    """The task definition of an ECS service as Terraform's state has it."""

    arn: str
    containers: list[dict[str, Any]]


@dataclass(kw_only=True)
class FakeRoot:
    """A Terraform root that sets health check paths, and task definitions.

    `paths` maps target groups to the path that is committed, `committed` to the rest of the committed health check;
    `variables` maps variables to the target group whose path they set instead, `others` to the target group and the
    attribute of its health check. `also` are further entries of `resource_changes` that its plans have. With an `error`
    neither `init` nor `plan` works. `serial` counts the state's changes.
    """

    paths: dict[str, str] = field(default_factory=dict)
    committed: dict[str, HealthCheck] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    others: dict[str, tuple[str, Literal["matcher", "unhealthy_threshold"]]] = field(default_factory=dict)
    also: list[Mapping[str, Any]] = field(default_factory=list)
    definitions: dict[str, FakeDefinition] = field(default_factory=dict)
    """The task definitions, by the name of their ECS service."""
    error: str = ""
    breaks_off: Literal["", "deregistered", "registered"] = ""
    """How far the next apply of a task definition gets: Terraform is killed once the old revision is deregistered, and
    the state is not written, or once the new one is registered."""
    serial: int = 1


class FakeCloud:
    """Registry, services, target groups and Terraform roots that act on each other as the real ones do.

    Whatever it holds may be changed by a test at any time. Ports see it through `perform`, which records the call,
    lets the world catch up with the clock, and raises what the script says.
    """

    def __init__(self, clock: FakeClock | None = None, *, account: str = "123456789012", cluster: str = "fake") -> None:
        self.clock = clock or FakeClock()
        self.account = account
        self.cluster = cluster
        self.calls: list[Call] = []
        self.script = Script()
        self.permit = Permit()
        self.sources: dict[Path, Source] = {}
        self.missing_bases: set[str] = set()
        self.images: dict[str, Contract] = {}
        """Images of the local engine, by id."""
        self.pushed: dict[str, Contract] = {}
        """Images of the registry, by digest."""
        self.repositories: dict[str, FakeRepository] = {}
        self.services: dict[str, FakeService] = {}
        self.groups: dict[str, FakeTargetGroup] = {}
        self.balancers: dict[str, str] = {}
        self.rules: dict[str, str] = {}
        """Path prefix -> service that the load balancer sends it to."""
        self.protocol: Literal["HTTP", "HTTPS"] = "HTTP"
        """What the listener speaks."""
        self.listener_rules: list[ListenerRule] = []
        """Rules beside those."""
        self.web: dict[str, Any] = {}
        """Path -> what answers there over HTTP (fakes/web.py), where it is not the service's own image."""
        self.shadows: set[str] = set()
        self.shadow_quota = 100
        self.roots: dict[Path, FakeRoot] = {}
        self.revision = Revision(commit="feed" * 10)
        self.earlier: dict[str, dict[Path, FakeRoot]] = {}
        """The Terraform roots of earlier commits."""
        self.shallow = False
        self.history: list[str] = []
        """The commits that changed a root, the newest first."""
        self.defined: dict[str, FakeDefined] = {}
        """What Terraform's states have of task definitions, by ECS service."""
        self.kept: dict[str, list[tuple[KeptFiles, dict[Path, FakeRoot]]]] = {}
        """The files that each root, by its name, was applied from, the newest first."""
        self.applied: dict[str, Revision] = {}
        """What each root, by its name, was applied from last."""
        self.denied: set[str] = set()
        """Actions that the caller may not take, such as `ecs:UpdateService`."""
        self.may_ask = True
        """Whether the caller may ask what it may do."""
        self.reachable = True
        """Whether task addresses can be reached from here."""
        self._now = self.clock.monotonic()
        self._lock = threading.RLock()

    # -- what ports do with it -----------------------------------------------------------------------------------------
    def perform(self, name: str, act: Callable[[], ValueT], /, **arguments: Any) -> ValueT:
        """Records a call and does it, unless the script has a fault for it. A change that the permit refuses is not
        sent."""
        with self._lock:
            if name in CHANGES:
                self.permit.check()
            self.calls.append(Call(name=name, arguments=arguments))
            self.catch_up()
            fault = self.script.take(name)
            if fault and fault.when == "before":
                raise fault.error
            result = act()
            if fault:
                raise fault.error
            return result

    def called(self, name: str) -> int:
        """How often that call was made."""
        return sum(call.name == name for call in self.calls)

    def catch_up(self) -> None:
        """Moves the world to the clock's time."""
        with self._lock:
            now = self.clock.monotonic()
            while self._now < now:
                self._now = min(self._now + TICK, now)
                self._tick()

    def _tick(self) -> None:
        for group in self.groups.values():
            group.tick(self._now)
        for service in self.services.values():
            service.tick(self._now)

    def advance(self, seconds: float) -> None:
        """Lets so much time pass, for the clock and the world."""
        self.clock.advance(seconds)
        self.catch_up()

    # -- what is in it -------------------------------------------------------------------------------------------------
    def put_image(self, repository: str, tag: str, contract: Contract) -> str:
        """An image in the registry, as if somebody had pushed it; returns its digest."""
        digest = digest_for(f"{repository}:{tag}:{contract}")
        self.pushed[digest] = contract
        self.repositories.setdefault(repository, FakeRepository()).tags[tag] = digest
        return digest

    def address_of(self, repository: str) -> str:
        """The repository's full address. Raises NotFoundError."""
        if repository not in self.repositories:
            raise NotFoundError(f"There is no ECR repository {repository}.")
        return f"{self.account}.dkr.ecr.{REGION}.amazonaws.com/{repository}"

    def digest_in(self, reference: str) -> str:
        """The digest that an image reference names; empty when there is none."""
        name, _, digest = reference.partition("@")
        if digest:
            return digest if digest in self.pushed else ""
        address, _, tag = name.rpartition(":")
        repository = self.repositories.get(address.partition("/")[2])
        return repository.tags.get(tag, "") if repository else ""

    def add_service(self, service: FakeService, image: str) -> FakeService:
        """A service whose first deployment, of that image reference, is complete and healthy."""
        self.services[service.name] = service
        service.network = len(self.services)
        for group in service.groups:
            self.groups[group.name] = group
        self.deploy(service, self.register(service, {service.container: image}))
        for _ in range(int(SETTLED_WITHIN / TICK)):
            if service.deployments[-1].status == "SUCCESSFUL":
                return service
            self.advance(TICK)
        raise ValueError(f"The first image of {service.name} never gets healthy.")

    def register(self, service: FakeService, images: Mapping[str, str]) -> FakeRevision:
        """A new revision of the service's task definition."""
        number = len(service.revisions) + 1
        arn = f"arn:aws:ecs:{REGION}:{self.account}:task-definition/{service.name}:{number}"
        revision = FakeRevision(arn=arn, images=dict(images))
        service.revisions.append(revision)
        return revision

    def deploy(self, service: FakeService, revision: FakeRevision) -> FakeDeployment:
        """Starts a deployment; tags are resolved now, once for all its tasks (AWS: ECS, container image resolution)."""
        number = len(service.deployments) + 1
        digests = {name: digest for name, image in revision.images.items() if (digest := self.digest_in(image))}
        deployment = FakeDeployment(
            arn=f"arn:aws:ecs:{REGION}:{self.account}:service-deployment/{self.cluster}/{service.name}/{number:021d}",
            revision=revision,
            digests=digests,
            contract=self.pushed.get(digests.get(service.container, "")),
            created=self.clock.monotonic(),
        )
        service.begin(deployment)
        return deployment

    def task_at(self, address: str, port: int) -> FakeTask | None:
        """The running task at that address and port."""
        for service in self.services.values():
            for task in service.tasks:
                if (
                    task.address == address
                    and service.port == port
                    and task.stopped is None
                    and task.started is not None
                ):
                    return task
        return None


def digest_for(text: str) -> str:
    """A digest that is the same for the same text."""
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
