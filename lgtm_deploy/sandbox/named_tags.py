"""Pushes images to the tags that task definitions name, for stacks whose Terraform files name images by tag.

The tags are read from the task definitions that Terraform has registered: whatever the files look like, they are
exactly what ECS is going to pull. Until a tag is there, the tasks of the sandbox that is coming up wait for it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Service
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection

_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class NamedImage:
    """An image in ECR that a container of a task definition names by tag."""

    definition: str
    container: str
    repository: str
    tag: str

    def service(self, services: Sequence[Service]) -> Service | None:
        """Return the service whose image it is; None where the stack file has no service with that repository.

        Raise PermanentError where several services share the repository and none has the container.
        """
        sharing = [each for each in services if each.repository == self.repository]
        if len(sharing) < 2:  # noqa: PLR2004 - one, or none
            return sharing[0] if sharing else None
        found = next((each for each in sharing if each.container == self.container), None)
        if found is None:
            names = " and ".join(each.name for each in sharing)
            raise PermanentError(
                f"Container '{self.container}' of task definition {self.definition} names"
                f" {self.repository}:{self.tag}, and {names} share that repository.",
                resolution="Set `container` of the service in the stack file to the container's name.",
            )
        return found


def named_image(definition: str, container: str, image: str) -> NamedImage | None:
    """Return what a container's image names; None where it names no tag of a registry with a host, as ECR has."""
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    if digest or not path or not ("." in host or ":" in host):
        return None
    repository, _, tag = path.partition(":")
    return NamedImage(definition=definition, container=container, repository=repository, tag=tag or "latest")


@dataclass(kw_only=True)
class NamedTags:
    """Watches the registered task definitions. `push` pushes a service's image to a tag of its repository."""

    connection: Connection
    services: Sequence[Service]
    push: Callable[[Service, str], None]
    _seen: set[str] = field(default_factory=set)
    _pushed: set[tuple[str, str]] = field(default_factory=set)

    def follow(self, is_last: Callable[[], bool], progress: Progress) -> None:
        """Push the tags of each definition that is registered, until `is_last`. Raise PermanentError."""
        ecs = client(self.connection, "ecs")
        while True:
            last_look = is_last()
            for image in self._new(ecs):
                service = image.service(self.services)
                if service is None or (image.repository, image.tag) in self._pushed:
                    continue
                progress(f"pushing {service.name}:{image.tag}")
                self.push(service, image.tag)
                self._pushed.add((image.repository, image.tag))
            if last_look:
                return
            progress("")
            time.sleep(_POLL_SECONDS)

    def _new(self, ecs: Any) -> Iterator[NamedImage]:
        for page in ecs.get_paginator("list_task_definitions").paginate():
            for arn in page["taskDefinitionArns"]:
                if arn in self._seen:
                    continue
                self._seen.add(arn)
                found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
                for each in found["containerDefinitions"]:
                    name = arn.rpartition("/")[2]
                    if (image := named_image(name, each["name"], each.get("image", ""))) is not None:
                        yield image
