"""Provides the images that task definitions name: tags in ECR, and stand-ins for images of the vendors.

The names are read from the task definitions that Terraform has registered: whatever the files look like, they are
exactly what ECS is going to pull. Until an image is there, the tasks of the sandbox that is coming up wait for it.
"""

import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Service
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.image_choice import short

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
    """Watches the registered task definitions.

    `push` pushes a service's image to a tag of its repository, `stand_in` makes the stand-in of one of `standins`.
    """

    connection: Connection
    services: Sequence[Service]
    push: Callable[[Service, str], None]
    standins: Set[str] = frozenset()
    stand_in: Callable[[str], None] = lambda _reference: None
    _seen: set[str] = field(default_factory=set)
    _provided: set[str] = field(default_factory=set)

    def follow(self, is_last: Callable[[], bool], progress: Progress) -> None:
        """Push the tags of each definition that is registered, until `is_last`. Raise PermanentError."""
        ecs = client(self.connection, "ecs")
        while True:
            last_look = is_last()
            for definition, container, image in self._new(ecs):
                self._provide(definition, container, image, progress)
            if last_look:
                return
            progress("")
            time.sleep(_POLL_SECONDS)

    def _provide(self, definition: str, container: str, image: str, progress: Progress) -> None:
        if image in self._provided:
            return
        if short(image) in self.standins:
            self.stand_in(short(image))
        elif (named := named_image(definition, container, image)) is not None:
            service = named.service(self.services)
            if service is None:
                return
            progress(f"pushing {service.name}:{named.tag}")
            self.push(service, named.tag)
        self._provided.add(image)

    def _new(self, ecs: Any) -> Iterator[tuple[str, str, str]]:
        """Yield task definition, container and image of what is registered since the last look."""
        for page in ecs.get_paginator("list_task_definitions").paginate():
            for arn in page["taskDefinitionArns"]:
                if arn in self._seen:
                    continue
                self._seen.add(arn)
                found = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
                for each in found["containerDefinitions"]:
                    yield arn.rpartition("/")[2], each["name"], each.get("image", "")
