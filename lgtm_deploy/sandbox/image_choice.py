"""The choice of base images for a sandbox: the vendors' own, or stand-ins.

Light to import: every verb with a sandbox environment reads a choice that was made.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lgtm_deploy.core.errors import PermanentError, UsageError
from lgtm_deploy.sandbox.standins.catalogue import PROGRAMS, is_recorded

IMAGES_VARIABLE = "LGTM_DEPLOY_SANDBOX_IMAGES"
FACTOR_VARIABLE = "LGTM_DEPLOY_SANDBOX_FACTOR"
DEFAULT_FACTOR = 10.0
# A factor is part of an image's name.
_HIGHEST_FACTOR = 1000.0


class Images(StrEnum):
    """Which base images the caller asks for."""

    AUTO = "auto"
    VENDOR = "vendor"
    STANDIN = "standin"


class Source(StrEnum):
    """Origin of a service's base image."""

    VENDOR = "vendor"
    """Pulled by the sandbox."""
    LOADED = "loaded"
    """Already in the engine under the vendor's name: a person built, loaded or pulled it."""
    STANDIN = "standin"
    OWN = "own"
    """Not a program that has a stand-in: the Dockerfile is built as it is."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The caller's demands on the base images. None: nothing in particular."""

    images: Images | None = None
    factor: float | None = None


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """The base image of one service. `reference` is the vendor's name of it, `image` the engine's ID of it."""

    source: Source
    reference: str = ""
    image: str = ""

    def describe(self, version: str = "") -> str:
        """Return the origin in words. `version` is the one to be built, if it is not the reference's."""
        is_other = version not in ("", version_of(self.reference))
        match self.source:
            case Source.VENDOR | Source.LOADED if is_other and self.reference:
                return "vendor image, not pulled yet"
            case Source.VENDOR:
                return "vendor image"
            case Source.LOADED:
                return "loaded image"
            case Source.OWN:
                return "own image"
        recorded = is_recorded(program_of(self.reference), version or version_of(self.reference))
        return f"stand-in ({'recorded' if recorded else 'not recorded'})"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a service's base image before the choice.

    `reference` is empty where the Dockerfile names no program that has stand-ins. `image` is the engine's ID of the
    image that a person or an earlier pull left under that name; `pulled` tells which of the two.
    """

    service: str
    reference: str = ""
    image: str = ""
    pulled: bool = False

    @property
    def is_missing(self) -> bool:
        """Return whether the engine has no vendor's image of it."""
        return bool(self.reference) and not self.image


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The base image of each service, the reason in one line, and the factor of the stand-ins."""

    images: Mapping[str, BaseImage]
    reason: str
    factor: float

    def of(self, source: Source) -> list[str]:
        """Return the services whose base image comes from there."""
        return [name for name, image in self.images.items() if image.source is source]

    def refuse_unless(self, wanted: Wanted, name: str) -> None:
        """Raise UsageError when the sandbox of that name, which runs with this choice, is not what is wanted."""
        runs = ""
        if wanted.images is Images.STANDIN and (others := self.of(Source.VENDOR) + self.of(Source.LOADED)):
            runs = f"the vendors' images of {', '.join(others)}"
        elif wanted.images is Images.VENDOR and (others := self.of(Source.STANDIN)):
            runs = f"stand-ins for {', '.join(others)}"
        elif wanted.factor not in (None, self.factor) and self.of(Source.STANDIN):
            runs = f"stand-ins at factor {self.factor:g}"
        if runs:
            raise UsageError(
                f"The sandbox '{name}' is up with {runs}.",
                resolution="Take it down first, or pass --fresh to make it again.",
            )


def images_of(word: str) -> Images:
    """Return the base images that a word asks for. Raise UsageError for any other word."""
    if word not in list(Images):
        raise UsageError(f"--images ({IMAGES_VARIABLE}) is '{word}'.", resolution="Use auto, vendor or standin.")
    return Images(word)


def factor_of(word: str) -> float:
    """Return a factor. Raise UsageError for a word that is no number, and for one that cannot divide a delay."""
    try:
        factor = float(word)
    except ValueError:
        factor = 0.0
    if not 1 <= factor <= _HIGHEST_FACTOR:
        allowed = f"Use a number from 1 to {_HIGHEST_FACTOR:g}."
        raise UsageError(f"--factor ({FACTOR_VARIABLE}) is '{word}'.", resolution=allowed)
    return factor


def wanted_by(environment: Mapping[str, str] = os.environ) -> Wanted:
    """Return what the environment variables ask for. Raise UsageError for a value that is none of theirs."""
    images, factor = environment.get(IMAGES_VARIABLE, ""), environment.get(FACTOR_VARIABLE, "")
    return Wanted(images=images_of(images) if images else None, factor=factor_of(factor) if factor else None)


def choose(mode: Images, facts: Sequence[Facts], refusal: str, factor: float) -> Choice:
    """Return the choice for all services together.

    `refusal` says why the missing images cannot be pulled; it is empty where they can, or where that was not asked.
    An image that a person loaded is used in every mode but `standin`. One that the sandbox pulled earlier gives way to
    its stand-in, if there is one, when another cannot be pulled: origins do not mix. Raise PermanentError when a
    service needs a stand-in that does not exist.
    """
    missing = [each.reference for each in facts if each.is_missing]
    if mode is Images.STANDIN:
        standins = {each.service for each in facts if each.reference}
        reason = "stand-ins, as asked"
    elif not missing:
        standins, reason = set(), "the vendors' images, which are in the Docker Engine"
    elif mode is Images.VENDOR or not refusal:
        standins, reason = set(), f"the vendors' images; to be pulled: {', '.join(map(short, missing))}"
    else:
        standins = {each.service for each in facts if each.is_missing or (each.pulled and has_standin(each.reference))}
        stays = any(each.image and each.service not in standins for each in facts)
        some = f"stand-ins for {', '.join(sorted(standins))}" if stays else "stand-ins"
        reason = f"{some}, because {refusal}"
    images = {}
    for each in facts:
        if each.service in standins:
            _check_standin(each.reference, refusal)
            images[each.service] = BaseImage(source=Source.STANDIN, reference=each.reference)
        else:
            images[each.service] = BaseImage(source=_source(each), reference=each.reference, image=each.image)
    return Choice(images=images, reason=reason, factor=factor)


def replaceable(references: Sequence[str]) -> str:
    """Return the first reference to a program that has stand-ins, such as `docker.io/grafana/tempo:2.9.0`, else ''."""
    # A digest names one image, and no stand-in has it.
    named = (each for each in references if "@" not in each)
    return next((each for each in named if program_of(each) in PROGRAMS and version_of(each)), "")


def program_of(reference: str) -> str:
    """Return the program that a reference such as `docker.io/grafana/tempo:2.9.0` names, else ''."""
    *_, owner, name = ("", *reference.split("/"))
    return name.partition(":")[0] if owner == "grafana" else ""


def version_of(reference: str) -> str:
    """Return the tag of a reference."""
    return reference.rpartition("/")[2].partition(":")[2]


def short(reference: str) -> str:
    """Return a reference as people write it."""
    return reference.removeprefix("docker.io/").removeprefix("library/")


def _source(facts: Facts) -> Source:
    if not facts.reference:
        return Source.OWN
    return Source.LOADED if facts.image and not facts.pulled else Source.VENDOR


def has_standin(reference: str) -> bool:
    """Return whether there is a stand-in of that program in that version."""
    program = program_of(reference)
    return program in PROGRAMS and version_of(reference) in PROGRAMS[program].versions


def standin_references() -> frozenset[str]:
    """Return the vendors' names of all images that have a stand-in, as people write them."""
    return frozenset(f"grafana/{name}:{version}" for name, each in PROGRAMS.items() for version in each.versions)


def _check_standin(reference: str, refusal: str) -> None:
    if not has_standin(reference):
        versions = PROGRAMS[program_of(reference)].versions
        raise PermanentError(
            f"There is no stand-in of {short(reference)} (there are: {', '.join(versions)})"
            + (f", and {refusal}." if refusal else "."),
            resolution="Load the image into the sandbox's Docker Engine under that name, or use another version.",
        )
