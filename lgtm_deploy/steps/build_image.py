"""build-image: the service's image, made from what is committed, unless the registry has it."""

from dataclasses import dataclass
from typing import ClassVar

from lgtm_deploy.core.ports import BuildRequest, Progress
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.step import Action, Change, Effect, Nothing, Proposal
from lgtm_deploy.steps.results import BuiltImage

# 128 bits of the identity: short enough to read out, long enough never to meet another.
_TAG_LENGTH = 32


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`service` is its name in the stack file."""

    service: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """`tag` is the identity of what would be built; `digest` is what the registry has under it, or empty."""

    tag: str
    digest: str


def build_request(stack: Stack, service: Service, platform: str) -> BuildRequest:
    """What the service's image is made of, on that platform."""
    version = {"VERSION": service.version} if service.version else {}
    return BuildRequest(
        context=stack.directory / service.context,
        dockerfile=service.dockerfile,
        build_args={**version, **stack.environment.build_args, **service.build_args},
        platform=platform,
    )


def tag_of(identity: str) -> str:
    """The registry tag of an image with that identity."""
    return identity[:_TAG_LENGTH]


class BuildImage(Action[Inputs, Seen, BuiltImage]):
    """Builds an image whose tag is its identity: the same content gives the same tag, and is built once."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = Inputs
    sees = Seen
    gives = BuiltImage

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError: no such context, base image, repository or service."""
        service = self.stack.service(inputs.service)
        host = self.ports.host.service(service.ecs_service)
        tag = tag_of(self.ports.builder.identity(build_request(self.stack, service, host.platform)))
        digest = self.ports.registry.digest_of(service.repository, tag)
        return Seen(tag=tag, digest=digest or "")

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[BuiltImage]:
        """Nothing when the registry has this very image."""
        if seen.digest:
            return Nothing(outputs=BuiltImage(service=inputs.service, image="", tag=seen.tag))
        service = self.stack.service(inputs.service)
        return Change(summary=f"build {service.repository}:{seen.tag} from {service.context}")

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> BuiltImage:
        """Raises PermanentError with the instruction that failed."""
        service = self.stack.service(inputs.service)
        platform = self.ports.host.service(service.ecs_service).platform
        labels = {"lgtm-deploy.service": service.name, "lgtm-deploy.identity": seen.tag}
        built = self.ports.builder.build(build_request(self.stack, service, platform), labels, progress)
        return BuiltImage(service=inputs.service, image=built.id, tag=seen.tag)

    def missing(self, outputs: BuiltImage) -> str:
        """The image, where it was built and not only found in the registry."""
        if not outputs.image or self.ports.builder.has(outputs.image):
            return ""
        return "its image is not on this machine"

    def differs(self, before: BuiltImage, now: BuiltImage) -> str:
        """The tag is the hash of all that the image is made of; the same is another image on each machine."""
        return "" if now.tag == before.tag else f"its image is {now.tag[:12]} now, and was {before.tag[:12]}"
