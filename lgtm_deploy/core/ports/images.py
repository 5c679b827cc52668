"""Images: built, kept, and tried out."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lgtm_deploy.core.ports.progress import Progress


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What an image is made of. `platform` is Docker's spelling, such as `linux/amd64`."""

    context: Path
    dockerfile: str
    build_args: Mapping[str, str]
    platform: str


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """An image in the local engine: its id (`sha256:…` of its configuration), size in bytes, and whether it was built
    now or found."""

    id: str
    size: int


class ImageBuilder(Protocol):
    """Makes images from a build context."""

    def identity(self, request: BuildRequest) -> str:
        """The image's identity: 64 hex digits, a hash of context (after .dockerignore), Dockerfile, base digest,
        arguments and platform; the same for the same content, whenever and wherever it is asked.

        Raises NotFoundError (no context, no Dockerfile, base image nowhere to be found), MissingToolError (no engine).
        """

    def build(self, request: BuildRequest, labels: Mapping[str, str], progress: Progress) -> BuiltImage:
        """Builds. Raises PermanentError with the failing instruction and its last output lines."""

    def has(self, image_id: str) -> bool:
        """Whether an image that was built is (still) here. Raises MissingToolError (no engine)."""

    def variables(self, request: BuildRequest) -> tuple[str, ...]:
        """Names of the environment variables that files of the context take without a default, as `${NAME}`; sorted.
        The Dockerfile is left out: its variables are the builder's."""


class Tags(Protocol):
    """What tags name in a registry."""

    def digest_of(self, repository: str, tag: str) -> str | None:
        """The digest (`sha256:…`) that a tag names, or None. Raises NotFoundError when there is no such repository."""


class Registry(Tags, Protocol):
    """Keeps images under tags and digests."""

    def tags_of(self, repository: str, digest: str) -> tuple[str, ...]:
        """The tags that name that image; none: it is untagged. Raises NotFoundError when the repository or the image
        is gone."""

    def expires_untagged(self, repository: str) -> bool:
        """Whether a lifecycle rule of the repository removes images without a tag, now or later. Raises NotFoundError
        when there is no such repository."""

    def reference(self, repository: str, digest: str) -> str:
        """How a task definition names that image: `<registry>/<repository>@<digest>`."""

    def pulled(self, repository: str, digest: str, progress: Progress) -> AbstractContextManager[str]:
        """The image of that digest in the local engine, by its id there. If it was not there before, it is pulled, and
        removed again in the end. Raises NotFoundError when the registry does not have it."""

    def push(self, image_id: str, repository: str, tag: str, progress: Progress) -> str:
        """Pushes an image of the local engine and returns its digest.

        A tag that already has this image is a success; one that has another is moved where the repository lets tags
        move, else AlreadyExistsError is raised.
        """

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Gives an image of the registry one more tag, as `push` does, without the engine. Raises NotFoundError."""
