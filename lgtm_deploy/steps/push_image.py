"""push-image: the built image into the registry, under its identity, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lgtm_deploy.core.errors import PermanentError, RefusedError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.core.terraform_release import Release
from lgtm_deploy.steps.deployment import release_of
from lgtm_deploy.steps.results import PushedImage, TestedImage


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`tested` is the image to push.

    `releases` are the services that Terraform releases: their images go by the tag that is planned, too.
    """

    tested: TestedImage
    releases: Mapping[str, Release]

    @property
    def service(self) -> str:
        """Its name in the stack file."""
        return self.tested.service

    @property
    def image(self) -> str:
        """The id in the local engine; empty when the registry is known to have the tag."""
        return self.tested.image

    @property
    def tag(self) -> str:
        """The image's tag in the registry."""
        return self.tested.tag


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the tag, the mutable tag that the task definition pins (if the stack says so), and the tag that Terraform
    plans (if it releases the service) name now; `running` is the image reference of the service's current task
    definition."""

    digest: str
    pinned: str
    running: str
    planned: str = ""


class PushImage(Action[Inputs, Seen, PushedImage]):
    """Pushes under a tag that never changes its meaning, so that there is nothing to undo: the image stays."""

    part: ClassVar[Part | None] = Part.PUSH
    takes = Inputs
    sees = Seen
    gives = PushedImage

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when there is no such repository."""
        service = self.stack.service(inputs.service)
        release = release_of(service, inputs.releases)
        digest_of = self.ports.registry.digest_of
        pinned = digest_of(service.repository, service.pinned_tag) if service.pinned_tag else ""
        running = self.ports.host.service(service.ecs_service).images.get(service.container, "")
        digest = digest_of(service.repository, inputs.tag)
        planned = digest_of(service.repository, release.tag) if release.root else ""
        return Seen(digest=digest or "", pinned=pinned or "", running=running, planned=planned or "")

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[PushedImage]:
        """Nothing when the registry has it. Raises RefusedError: the tag that Terraform plans has another image."""
        service = self.stack.service(inputs.service)
        release = release_of(service, inputs.releases)
        if seen.planned and seen.planned != seen.digest:
            raise RefusedError(
                f"{service.repository}:{release.tag} is in ECR with another image ({seen.planned[:19]}) than the files"
                f" of {service.name} make.",
                resolution=f"Name a new tag in the variable files of Terraform root '{release.root}'.",
            )
        is_there = seen.planned == seen.digest if release.root else True
        if seen.digest and is_there and (not service.pinned_tag or seen.pinned == seen.digest):
            return Nothing(outputs=self._outputs(service, seen.digest, release))
        more = service.pinned_tag or release.tag
        also = f" and :{more}" if more else ""
        return Change(
            summary=f"push {service.repository}:{inputs.tag[:12]}{also}",
            details=(f"runs now: {seen.running}", f"will run: {service.repository}:{release.tag or inputs.tag}"),
        )

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> PushedImage:
        """Raises PermanentError when neither engine nor registry has the image."""
        service = self.stack.service(inputs.service)
        release = release_of(service, inputs.releases)
        if not (inputs.image or (seen.digest and release.root)):
            raise PermanentError(
                f"{service.repository}:{inputs.tag} was in the registry when the run began and is gone.",
                resolution="Look at the repository's lifecycle rules, then apply again.",
            )
        registry = self.ports.registry
        if release.root:
            # The image that the registry has is the one that gets the planned tag: another push may change its digest.
            digest = seen.digest or registry.push(inputs.image, service.repository, inputs.tag, progress)
            registry.tag(service.repository, digest, release.tag)
            return self._outputs(service, digest, release)
        digest = registry.push(inputs.image, service.repository, inputs.tag, progress)
        if service.pinned_tag:
            registry.push(inputs.image, service.repository, service.pinned_tag, progress)
        return self._outputs(service, digest, release)

    def _outputs(self, service: Service, digest: str, release: Release) -> PushedImage:
        reference = release.reference or self.ports.registry.reference(service.repository, digest)
        return PushedImage(service=service.name, digest=digest, reference=reference)
