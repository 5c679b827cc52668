"""What a contract is tried on: the ports of one world, and how to put things into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from lgtm_deploy.core.ports import (
    Balancer,
    BuildRequest,
    Caller,
    ImageBuilder,
    ImageProbe,
    Registry,
    RolloutView,
    ServiceHost,
    ShadowTargets,
    StackProbe,
    TaskProbe,
    Web,
)
from lgtm_deploy.fakes import (
    Contract,
    FakeBalancer,
    FakeBuilder,
    FakeCaller,
    FakeCloud,
    FakeHost,
    FakeImageProbe,
    FakeRegistry,
    FakeRepository,
    FakeRollouts,
    FakeService,
    FakeShadowTargets,
    FakeStackProbe,
    FakeTargetGroup,
    FakeTaskProbe,
    FakeWeb,
    Source,
)

ACCOUNT = "123456789012"
REPOSITORY = "app"
CONTAINER = "app"
PORT = 8080
BALANCER = "shim"

# Every image answers `<any path it has>` with its own name; `moved` has no other path than /moved/ready.
GOOD, NEW, MOVED, DYING = "good", "new", "moved", "dying"
# What the variable KNOWN of the caller's environment holds.
SECRET = "a-secret-value"
SeenT = TypeVar("SeenT")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A service that is up: its name, which is its target group's name too, and a path that leads to it."""

    name: str
    path: str


class World(Protocol):
    """Ports, and what a test needs beside them."""

    @property
    def builder(self) -> ImageBuilder: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def image_probe(self) -> ImageProbe: ...
    @property
    def host(self) -> ServiceHost: ...
    @property
    def rollouts(self) -> RolloutView: ...
    @property
    def balancer(self) -> Balancer: ...
    @property
    def task_probe(self) -> TaskProbe: ...
    @property
    def shadow(self) -> ShadowTargets: ...
    @property
    def stack_probe(self) -> StackProbe: ...
    @property
    def web(self) -> Web: ...
    @property
    def url(self) -> str:
        """Where the load balancer is."""
        ...

    @property
    def caller(self) -> Caller: ...

    def serve(self, image: str = GOOD) -> Served:
        """A new service on that image, up and healthy, whose target group checks /ready."""
        ...

    def digest(self, image: str) -> str:
        """The digest of that image in the registry."""
        ...

    def repository(self, *, immutable: bool, expires_untagged: bool = False) -> str:
        """A new repository; its lifecycle rule may remove untagged images."""
        ...

    def context(self, dockerfile: str, *, broken: bool = False) -> BuildRequest:
        """A new build context with a file `content`; `broken` says that building it fails."""
        ...

    def wait(self, look: Callable[[], SeenT], what: str) -> SeenT:
        """Looks until the answer is true."""
        ...

    def clean(self) -> None:
        """Forgets what was built."""
        ...


@dataclass
class FakeWorld:
    """The fakes."""

    folder: Path
    cloud: FakeCloud = field(default_factory=lambda: FakeCloud(account=ACCOUNT))

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self.builder = FakeBuilder(self.cloud)
        self.registry = FakeRegistry(self.cloud)
        self.image_probe = FakeImageProbe(self.cloud, {"KNOWN": SECRET})
        self.host = FakeHost(self.cloud)
        self.rollouts = FakeRollouts(self.cloud)
        self.balancer = FakeBalancer(self.cloud)
        self.task_probe = FakeTaskProbe(self.cloud)
        self.shadow = FakeShadowTargets(self.cloud)
        self.stack_probe = FakeStackProbe(self.cloud)
        self.web = FakeWeb(self.cloud)
        self.url = "http://shim.example"
        self.caller = FakeCaller(self.cloud)
        self.cloud.balancers[BALANCER] = "http://shim.example"
        self.cloud.missing_bases.add("nobody/nothing:1")
        for name, contract in {
            GOOD: Contract(answers={"/ready": GOOD, "/x": GOOD}),
            NEW: Contract(answers={"/ready": NEW, "/x": NEW}),
            MOVED: Contract(answers={"/moved/ready": MOVED}),
            DYING: Contract(exit_code=3, log=("hello from dying", "last words of dying")),
        }.items():
            self.cloud.put_image(REPOSITORY, name, contract)

    def serve(self, image: str = GOOD) -> Served:
        name = f"web-{next(self._numbers)}"
        group = FakeTargetGroup(name=name, account=ACCOUNT)
        service = FakeService(name=name, container=CONTAINER, port=PORT, clock=self.cloud.clock, groups=[group])
        self.cloud.add_service(service, f"{self.cloud.address_of(REPOSITORY)}:{image}")
        self.cloud.rules[f"/{name}/"] = name
        # Rules forward without rewriting: the image has to answer the whole path.
        contract = Contract(answers={"/ready": image, "/x": image, f"/{name}/x": image})
        for deployment in service.deployments:
            deployment.contract = contract
        return Served(name=name, path=f"/{name}/x")

    def digest(self, image: str) -> str:
        return self.cloud.repositories[REPOSITORY].tags[image]

    def repository(self, *, immutable: bool, expires_untagged: bool = False) -> str:
        name = f"repository-{next(self._numbers)}"
        self.cloud.repositories[name] = FakeRepository(immutable=immutable, expires_untagged=expires_untagged)
        return name

    def context(self, dockerfile: str, *, broken: bool = False) -> BuildRequest:
        request = write_context(self.folder / f"context-{next(self._numbers)}", dockerfile)
        if broken:
            self.cloud.sources[request.context.resolve()] = Source(build_error="COPY nothing /: no such file")
        return request

    def wait(self, look: Callable[[], SeenT], what: str) -> SeenT:
        for _ in range(600):
            if seen := look():
                return seen
            self.cloud.advance(0.5)
        raise AssertionError(f"{what}: never")

    def clean(self) -> None:
        """Nothing is left anywhere."""


def write_context(folder: Path, dockerfile: str) -> BuildRequest:
    """A build context on disk."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "content").write_text(folder.name)
    return BuildRequest(context=folder, dockerfile="Dockerfile", build_args={}, platform="linux/amd64")
