"""Images that are built and pushed without an engine."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lgtm_deploy.core.errors import AlreadyExistsError, NotFoundError, PermanentError
from lgtm_deploy.core.placeholders import taken
from lgtm_deploy.core.ports import BuildRequest, BuiltImage, Progress
from lgtm_deploy.fakes.cloud import FakeCloud, digest_for
from lgtm_deploy.fakes.image import Source

SIZE = 1_000_000


class FakeBuilder:
    """Builds what the cloud's `sources` say of a context; its files are hashed where they exist, all of them."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def identity(self, request: BuildRequest) -> str:
        """A hash of the request and the context's files. Raises NotFoundError."""
        return self._cloud.perform("builder.identity", lambda: self._identity(request), request=request)

    def build(self, request: BuildRequest, labels: Mapping[str, str], progress: Progress) -> BuiltImage:
        """Builds. Raises PermanentError with the source's `build_error`."""
        progress(f"Step 1/1 FROM {request.context.name}")
        return self._cloud.perform("builder.build", lambda: self._build(request), request=request, labels=dict(labels))

    def has(self, image_id: str) -> bool:
        """Whether it was built here."""
        return image_id in self._cloud.images

    def variables(self, request: BuildRequest) -> tuple[str, ...]:
        """What the context's files take as `${NAME}`, the Dockerfile left out."""
        own = request.context / request.dockerfile
        texts = (
            file.read_text(encoding="utf-8") for file in request.context.rglob("*") if file.is_file() and file != own
        )
        return tuple(sorted({name for text in texts for name in taken(text)}))

    def _identity(self, request: BuildRequest) -> str:
        source = self._source(request)
        digest = hashlib.sha256(f"{request.dockerfile} {request.platform} {source}".encode())
        digest.update(repr(sorted(request.build_args.items())).encode())
        for file in sorted(request.context.rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                digest.update(f"{file.relative_to(request.context)} {len(content)} ".encode() + content)
        return digest.hexdigest()

    def _build(self, request: BuildRequest) -> BuiltImage:
        identity = self._identity(request)
        source = self._source(request)
        if source.build_error:
            raise PermanentError(f"The build of {request.context} failed: {source.build_error}")
        image = digest_for(f"image {identity}")
        self._cloud.images[image] = source.contract
        return BuiltImage(id=image, size=SIZE)

    def _source(self, request: BuildRequest) -> Source:
        source = self._cloud.sources.get(request.context.resolve())
        file = request.context / request.dockerfile
        if file.is_file():
            self._check_bases(file.read_text(encoding="utf-8"), request.build_args)
        elif source is None:
            raise NotFoundError(f"There is no {file}.")
        return source or Source()

    def _check_bases(self, dockerfile: str, build_args: Mapping[str, str]) -> None:
        for line in dockerfile.splitlines():
            if line.upper().startswith("FROM "):
                base = line.split()[1]
                for name, value in build_args.items():
                    base = base.replace(f"${{{name}}}", value)
                if base in self._cloud.missing_bases:
                    raise NotFoundError(f"Base image {base} does not exist.")


class FakeRegistry:
    """The cloud's repositories."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._pulls = itertools.count(1)

    def digest_of(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None. Raises NotFoundError when there is no such repository."""

        def look() -> str | None:
            self._cloud.address_of(repository)
            return self._cloud.repositories[repository].tags.get(tag)

        return self._cloud.perform("registry.digest_of", look, repository=repository, tag=tag)

    def tags_of(self, repository: str, digest: str) -> tuple[str, ...]:
        """The tags that name that image. Raises NotFoundError when the repository or the image is gone."""

        def look() -> tuple[str, ...]:
            self._cloud.address_of(repository)
            if digest not in self._cloud.pushed:
                raise NotFoundError(f"ECR repository {repository} has no image {digest}.")
            return tuple(tag for tag, named in self._cloud.repositories[repository].tags.items() if named == digest)

        return self._cloud.perform("registry.tags_of", look, repository=repository, digest=digest)

    def expires_untagged(self, repository: str) -> bool:
        """Whether images without a tag go after a while. Raises NotFoundError when there is no such repository."""

        def look() -> bool:
            self._cloud.address_of(repository)
            return self._cloud.repositories[repository].expires_untagged

        return self._cloud.perform("registry.expires_untagged", look, repository=repository)

    def reference(self, repository: str, digest: str) -> str:
        """`<registry>/<repository>@<digest>`. Raises NotFoundError."""
        return f"{self._cloud.address_of(repository)}@{digest}"

    @contextmanager
    def pulled(self, repository: str, digest: str, progress: Progress) -> Iterator[str]:
        """The image in the fake engine. Raises NotFoundError when the registry does not have it."""
        progress("")
        image = self._cloud.perform(
            "registry.pulled", lambda: self._pull(repository, digest), repository=repository, digest=digest
        )
        try:
            yield image
        finally:
            self._cloud.images.pop(image, None)

    def _pull(self, repository: str, digest: str) -> str:
        self._cloud.address_of(repository)
        if digest not in self._cloud.pushed:
            raise NotFoundError(f"ECR repository {repository} has no image {digest}.")
        image = digest_for(f"pulled {next(self._pulls)} {digest}")
        self._cloud.images[image] = self._cloud.pushed[digest]
        return image

    def push(self, image_id: str, repository: str, tag: str, progress: Progress) -> str:
        """Pushes an image of the fake engine and returns its digest."""
        progress(f"{tag}: Pushing")
        return self._cloud.perform(
            "registry.push",
            lambda: self._push(image_id, repository, tag),
            image_id=image_id,
            repository=repository,
            tag=tag,
        )

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Gives an image of the registry one more tag."""

        def act() -> None:
            self._cloud.address_of(repository)
            if digest not in self._cloud.pushed:
                raise NotFoundError(f"ECR repository {repository} has no image {digest}.")
            self._hold(repository, tag, digest)

        self._cloud.perform("registry.tag", act, repository=repository, digest=digest, tag=tag)

    def _push(self, image_id: str, repository: str, tag: str) -> str:
        self._cloud.address_of(repository)
        if image_id not in self._cloud.images:
            raise NotFoundError(f"Image {image_id} is not in the engine.")
        digest = digest_for(f"manifest {image_id}")
        self._hold(repository, tag, digest)
        self._cloud.pushed[digest] = self._cloud.images[image_id]
        return digest

    def _hold(self, repository: str, tag: str, digest: str) -> None:
        kept = self._cloud.repositories[repository]
        if kept.immutable and kept.tags.get(tag, digest) != digest:
            raise AlreadyExistsError(f"Tag {tag} of ECR repository {repository} already holds another image.")
        kept.tags[tag] = digest
