"""The example stack whose task definitions a Terraform root manages, in a cloud in memory."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lgtm_deploy.core.ports import PlannedChanges, Ports
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.fakes import FakeCloud, FakeDefined, FakeDefinition, FakeRoot, fake_ports
from lgtm_deploy.steps.build_image import build_request, tag_of
from tests.steps.simulation import BOTH, Simulation

ROOT, EARLIER, LATEST = "ecs", "cafe" * 10, "feed" * 10
RELEASED = (*BOTH, "grafana")
OLD, NEW = "before", "after"


def by_terraform(service: Service) -> Service:
    """The service, released by the root."""
    return replace(service, task_definition=ROOT) if service.name in RELEASED else service


def containers_of(cloud: FakeCloud, service: Service, tag: str, *, url: str) -> list[dict[str, Any]]:
    """The container definitions of a service; Grafana has the URL of another one in its environment."""
    environment = [{"name": "PORTAL_URL", "value": url}] if service.name == "grafana" else []
    image = f"{cloud.address_of(service.repository)}:{tag}"
    return [{"name": service.container, "image": image, "environment": environment}]


def put_under_terraform(
    stack: Stack, cloud: FakeCloud, names: Iterable[str], *, ignored: bool = False, kept: bool = False
) -> FakeRoot:
    """Have the root manage these services, whose tags and URLs change; returns the root as it was before.

    That one is the commit before the latest.
    """
    folder = (stack.directory / stack.root(ROOT).root).resolve()
    root, before = cloud.roots[folder], FakeRoot()
    for name in names:
        service = stack.service(name)
        old = containers_of(cloud, service, OLD, url="http://portal:8000")
        new = containers_of(cloud, service, NEW, url="http://portal:8000/portal")
        runs = cloud.services[service.ecs_service].revisions[-1]
        cloud.defined[service.ecs_service] = FakeDefined(arn=runs.arn, containers=old)
        before.definitions[service.ecs_service] = FakeDefinition(containers=old, ignored=ignored, kept=kept)
        root.definitions[service.ecs_service] = FakeDefinition(containers=new, ignored=ignored, kept=kept)
    cloud.earlier[EARLIER] = {folder: before}
    cloud.history = [LATEST, EARLIER]
    return before


class TerraformWorld(Simulation):
    """The portal and Pyroscope get a new image tag, and Grafana another URL of the portal and a new tag.

    The commit before that is the start state. `ignored`: services ignore changes of their task definition.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        ignored: bool = False,
        kept: bool = False,
        skip: str = "",
        changed: Callable[[Service], Service] = lambda each: each,
    ) -> None:
        super().__init__(workspace, skip=skip, changed=lambda each: by_terraform(changed(each)))
        self.ports: Ports = fake_ports(self.stack, self.cloud, workspace)
        self.folder = (self.stack.directory / self.stack.root(ROOT).root).resolve()
        self.root = self.cloud.roots[self.folder]
        self.before = put_under_terraform(self.stack, self.cloud, RELEASED, ignored=ignored, kept=kept)

    def containers(self, name: str, tag: str, *, url: str) -> list[dict[str, Any]]:
        """The container definitions of a service."""
        return containers_of(self.cloud, self.service(name), tag, url=url)

    def definition(self, name: str) -> FakeDefinition:
        """What is committed for a service."""
        return self.root.definitions[self.service(name).ecs_service]

    def arn(self, name: str) -> str:
        """The revision that a service names."""
        return self.ports.host.service(self.service(name).ecs_service).task_definition

    def digests(self) -> dict[str, set[str]]:
        """The digests that the running tasks run."""
        return {
            name: {
                task.deployment.digests[self.service(name).container]
                for task in self.running(name).tasks
                if task.status == "running"
            }
            for name in RELEASED
        }

    def plain_plan(self, root: FakeRoot | None = None) -> PlannedChanges:
        """A plan of the root without any option, of its files as they are, or as the root given has them."""
        now, self.cloud.roots[self.folder] = self.cloud.roots[self.folder], root or self.root
        try:
            out = self.ports.workspace / "plain.tfplan"
            return self.ports.infrastructure.plan(self.folder, [], {}, out, lambda _: None)
        finally:
            self.cloud.roots[self.folder] = now

    def has_built(self, name: str, tag: str) -> None:
        """The image of that tag in ECR is the one that the files make, as an earlier run has pushed it."""
        service = self.service(name)
        request = build_request(self.stack, service, self.running(name).platform)
        tags = self.cloud.repositories[service.repository].tags
        tags[tag_of(self.ports.builder.identity(request))] = tags[tag]
