"""push-image: the built image into the registry, under its identity, once."""

from dataclasses import dataclass
from typing import ClassVar

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`image` is the id in the local engine; empty when the registry is known to have the tag."""

    service: str
    image: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the tag, and the mutable tag that the task definition pins (if the stack says so), name now;
    `running` is the image reference of the service's current task definition."""

    digest: str
    pinned: str
    running: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`reference` is how a task definition names the image: by digest."""

    digest: str
    reference: str


class PushImage(Action[Inputs, Seen, Outputs]):
    """Pushes under a tag that never changes its meaning, so that there is nothing to undo: the image stays."""

    part: ClassVar[Part | None] = Part.PUSH
    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when there is no such repository."""
        service = self.stack.service(inputs.service)
        digest_of = self.ports.registry.digest_of
        pinned = digest_of(service.repository, service.pinned_tag) if service.pinned_tag else ""
        running = self.ports.host.service(service.ecs_service).images.get(service.container, "")
        digest = digest_of(service.repository, inputs.tag)
        return Seen(digest=digest or "", pinned=pinned or "", running=running)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when the registry has it."""
        service = self.stack.service(inputs.service)
        if seen.digest and (not service.pinned_tag or seen.pinned == seen.digest):
            return Nothing(outputs=self._outputs(service.repository, seen.digest))
        also = f" and :{service.pinned_tag}" if service.pinned_tag else ""
        return Change(
            summary=f"push {service.repository}:{inputs.tag[:12]}{also}",
            details=(f"runs now: {seen.running}", f"will run: {service.repository}:{inputs.tag}"),
        )

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises PermanentError when neither engine nor registry has the image."""
        service = self.stack.service(inputs.service)
        if not inputs.image:
            raise PermanentError(
                f"{service.repository}:{inputs.tag} was in the registry when the run began and is gone.",
                resolution="Look at the repository's lifecycle rules, then apply again.",
            )
        push = self.ports.registry.push
        digest = push(inputs.image, service.repository, inputs.tag, progress)
        if service.pinned_tag:
            push(inputs.image, service.repository, service.pinned_tag, progress)
        return self._outputs(service.repository, digest)

    def _outputs(self, repository: str, digest: str) -> Outputs:
        return Outputs(digest=digest, reference=self.ports.registry.reference(repository, digest))
