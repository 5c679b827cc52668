"""Is the image that would be deployed the one that would run, and could the one that runs come back?"""

import re

from lgtm_deploy.core.preflight.facts import Findings, RunningImage, ServiceFacts
from lgtm_deploy.core.retag import retag_command

# A version and something of one's own behind it: a date, a build number, a commit.
_OWN_TAG = re.compile(r"^(?P<version>v?\d+\.\d+(?:\.\d+)?)[-_.+](?:\d{3,}\S*|[0-9a-f]{7,40}|(?:build|b|r)[-._]?\d+)$")
_ECR = re.compile(r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.")
_SHORT = 19


def pinned_tag(facts: ServiceFacts) -> Findings:
    """A tag that is redeployed by force must be the one that the task definition names: else the old image runs on,
    and ECS calls that a success. What is deployed by digest cannot go wrong so."""
    service = facts.service
    if not facts.state:
        return Findings()
    if service.container not in facts.state.images:
        images = facts.state.images
        own = [name for name, image in images.items() if _repository(image) == service.repository]
        todo = f"Write `container: {own[0]}`" if len(own) == 1 else "Correct `container`"
        return Findings(
            wrong=(
                f"The task definition of {service.name} has no container '{service.container}'. "
                f"It has: {', '.join(images) or 'none'}. {todo} in the stack file.",
            )
        )
    if not service.pinned_tag or _names(facts.reference, service.repository, service.pinned_tag):
        return Findings()
    if _names_by_digest(facts.reference, service.repository):
        # As a rollback leaves it.
        named = f"{service.repository}:{service.pinned_tag}"
        return Findings(told=(f"the task definition of {service.name} names a digest, and will name {named} again",))
    return Findings(
        wrong=(
            f"{service.name} is to be redeployed as {service.repository}:{service.pinned_tag} (`pinned_tag`), and its "
            f"task definition names {_bare(facts.reference)}: ECS would deploy that again and call it a success. "
            "Let the task definition name the pinned tag, or take `pinned_tag` out of the stack file: then it is "
            "deployed by digest.",
        )
    )


def _repository(reference: str) -> str:
    """The repository of an image reference such as `registry/team/name:tag@sha256:...`."""
    return reference.partition("@")[0].partition("/")[2].partition(":")[0]


def way_back(facts: ServiceFacts) -> Findings:
    """A rollback starts the image that runs now: it must be in its repository, and stay there."""
    image, service = facts.image, facts.service
    if image is None or not image.digest or not facts.changes:
        return Findings()
    if image.tags is None:
        return Findings(
            wrong=(
                f"{service.name} runs {image.digest[:_SHORT]}, which {service.repository} has no longer: no rollback "
                "could start it. Push that image again, or deploy one that is there.",
            )
        )
    if [tag for tag in image.tags if tag != service.pinned_tag]:
        return Findings()
    return _untagged(facts, image)


def is_of(reference: str, address: str) -> bool:
    """Whether an image reference, by tag or by digest, is of the repository at that address.

    An ECR registry has several host names (AWS: ECR user guide, dual-stack and FIPS): account and region tell.
    """
    host, _, path = reference.partition("@")[0].partition("/")
    own_host, _, repository = address.partition("/")
    return path.partition(":")[0] == repository and _registry(host) == _registry(own_host)


def _registry(host: str) -> str:
    ecr = _ECR.match(host)
    return f"{ecr['account']} {ecr['region']}" if ecr else host


def version_hint(version: str) -> str:
    """What to say of a base image that does not exist when its version looks like a tag of one's own; else nothing."""
    found = _OWN_TAG.match(version)
    if not found:
        return ""
    return (
        f"`version` (build argument VERSION) is the base image's version, and {version} looks like a tag of your own "
        f"image: one variable used for both. Write {found['version']}; the image's own tag is made from its content."
    )


def _untagged(facts: ServiceFacts, image: RunningImage) -> Findings:
    service = facts.service
    lost = "has no tag" if not image.tags else f"has no tag but {service.pinned_tag}, which moves"
    said = f"{service.name} runs {image.digest[:_SHORT]}, which {lost} in {service.repository}"
    tag = f"rollback-{image.digest.partition(':')[2][:12]}"
    if not image.expires:
        return Findings(told=(f"{said}; no lifecycle rule removes it",))
    return Findings(
        wrong=(
            f"{said}, and a lifecycle rule removes untagged images: a rollback may not find it. Give it a tag: "
            f"{retag_command(service.repository, image.digest, tag)}",
        )
    )


def _names_by_digest(reference: str, repository: str) -> bool:
    name, _, digest = reference.partition("@")
    return bool(digest) and name.partition("/")[2] == repository


def _names(reference: str, repository: str, tag: str) -> bool:
    """Whether an image reference is that tag of that repository, in whichever registry."""
    name, _, digest = reference.partition("@")
    path, _, named = name.rpartition(":")
    return not digest and named == tag and path.partition("/")[2] == repository


def _bare(reference: str) -> str:
    """An image reference without its registry."""
    return reference.partition("/")[2] or reference
