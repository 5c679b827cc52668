"""push-image: the built image into the registry, under its identity, once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from lgtm_deploy.core.errors import (
    ExpiredCredentialsError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TransientError,
)
from lgtm_deploy.core.gate import LeftAsIs, Open, Restoration, Waiting
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.retag import retag_command
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.core.terraform_release import Release
from lgtm_deploy.steps.deployment import release_of
from lgtm_deploy.steps.results import PushedImage, TestedImage
from lgtm_deploy.steps.rollouts import running_digest


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
    """Pushes the image under a tag that is made of its content, and gives it the pinned or the planned tag.

    A rollback puts the earlier image back under the pinned tag. The new image stays in the registry, and so does the
    tag that Terraform plans: the next run finds both and pushes nothing (docs/adr/037).
    """

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
            summary=f"push {service.repository}:{inputs.tag}{also}",
            details=(f"runs now: {seen.running}", f"will run: {service.repository}:{release.tag or inputs.tag}"),
        )

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> PushedImage:
        """Raises PermanentError when neither engine nor registry has the image."""
        service = self.stack.service(inputs.service)
        release = release_of(service, inputs.releases)
        if not (inputs.image or seen.digest):
            raise PermanentError(
                f"{service.repository}:{inputs.tag} was in the registry when the run began and is gone.",
                resolution="Look at the repository's lifecycle rules, then apply again.",
            )
        registry = self.ports.registry
        # An image that the registry has is not pushed again: another push may change its digest.
        digest = seen.digest or registry.push(inputs.image, service.repository, inputs.tag, progress)
        if tag := service.pinned_tag or release.tag:
            registry.tag(service.repository, digest, tag)
        return self._outputs(service, digest, release)

    def superseded(self, inputs: Inputs, seen: Seen, outputs: PushedImage | None) -> str:
        """Return why the pinned tag names neither this run's image nor the earlier one."""
        tag = self.stack.service(inputs.service).pinned_tag
        if not (tag and seen.pinned):
            return ""
        now = self._digest(inputs, tag)
        if now in ("", seen.pinned, outputs.digest if outputs else self._digest(inputs, inputs.tag)):
            return ""
        return f"{self._named(inputs, tag)} was moved by somebody else since: it names {now}"

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Put the earlier image back under the pinned tag. Raises PermanentError with the command that does it."""
        service = self.stack.service(inputs.service)
        tag = service.pinned_tag
        if not (tag and seen.pinned):
            return
        now = self._digest(inputs, tag)
        if now not in ("", self._digest(inputs, inputs.tag)):
            moved = f"{self._named(inputs, tag)} was moved by somebody else: it names {now}, not {seen.pinned}."
            raise PermanentError(moved, resolution=self._by_hand(inputs, seen))
        try:
            self.ports.registry.tag(service.repository, seen.pinned, tag)
        except ExpiredCredentialsError:
            raise
        except (PermanentError, TransientError) as error:
            kind = PermanentError if isinstance(error, PermanentError) else TransientError
            raise kind(
                f"{self._named(inputs, tag)} names {now}, not {seen.pinned}: {error.message}",
                resolution=self._by_hand(inputs, seen),
            ) from error

    def restored(self, inputs: Inputs, seen: Seen) -> Restoration:
        """Return Waiting while the pinned tag does not name the earlier image, and else what stays in the registry."""
        tag = self.stack.service(inputs.service).pinned_tag
        if tag and seen.pinned:
            now = self._digest(inputs, tag)
            if now != seen.pinned:
                reason = f"{self._named(inputs, tag)} names {now or 'no image'}, not {seen.pinned}"
                return Waiting(reason=reason, resolution=self._by_hand(inputs, seen))
        new = self._digest(inputs, inputs.tag)
        named = self._added(inputs, seen) if new else []
        if not named:
            return Open(outputs=None)
        verb = "remain" if len(named) > 1 else "remains"
        return LeftAsIs(remains=f"{' and '.join(named)} {verb} in ECR, {self._use(inputs, new)}")

    def _added(self, inputs: Inputs, seen: Seen) -> list[str]:
        """Return the tags that this run gave to the image and that name it still."""
        service = self.stack.service(inputs.service)
        planned = inputs.releases.get(inputs.service, Release()).tag
        before = {inputs.tag: seen.digest, planned: seen.planned, service.pinned_tag: seen.pinned}
        added = [tag for tag, digest in before.items() if tag and not digest]
        return [self._named(inputs, tag) for tag in added if tag == inputs.tag or self._digest(inputs, tag)]

    def _use(self, inputs: Inputs, digest: str) -> str:
        service = self.stack.service(inputs.service)
        try:
            state = self.ports.host.service(service.ecs_service)
        except NotFoundError:
            return "unused"
        in_use = running_digest(self.ports.rollouts, service, state) == digest
        return f"in use by {service.name}" if in_use else "unused"

    def _digest(self, inputs: Inputs, tag: str) -> str:
        return self.ports.registry.digest_of(self.stack.service(inputs.service).repository, tag) or ""

    def _named(self, inputs: Inputs, tag: str) -> str:
        return f"{self.stack.service(inputs.service).repository}:{tag}"

    def _by_hand(self, inputs: Inputs, seen: Seen) -> str:
        service = self.stack.service(inputs.service)
        return f"Run: {retag_command(service.repository, seen.pinned, service.pinned_tag)}"

    def _outputs(self, service: Service, digest: str, release: Release) -> PushedImage:
        reference = release.reference or self.ports.registry.reference(service.repository, digest)
        return PushedImage(service=service.name, digest=digest, reference=reference)
