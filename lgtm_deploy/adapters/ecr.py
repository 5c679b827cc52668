"""Which images the registry has, and how one gets there (AWS: ECR)."""

import base64
import json
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import docker
from botocore.exceptions import ClientError

from lgtm_deploy.adapters.aws import Aws, changing, error_code, reading
from lgtm_deploy.adapters.docker_leavings import Identity, Leavings
from lgtm_deploy.adapters.docker_pull import borrowed
from lgtm_deploy.adapters.docker_push import Destination, PushError, push_image
from lgtm_deploy.core.errors import AccessError, AlreadyExistsError, NotFoundError, TransientError
from lgtm_deploy.core.ports import Clock, Progress

# A token is valid for 12 hours (AWS: ECR GetAuthorizationToken); one about to end is not worth starting a push with.
RENEW_BEFORE = timedelta(minutes=30)

MANIFEST_TYPES = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
]


class EcrTags:
    """What tags name, for those who need no engine."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def digest_of(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None. Raises NotFoundError when there is no such repository."""
        with reading(f"ECR repository {repository}"):
            try:
                found = self._aws.reader("ecr").describe_images(
                    repositoryName=repository, imageIds=[{"imageTag": tag}]
                )["imageDetails"]
            except ClientError as error:
                if error_code(error) == "ImageNotFoundException":
                    return None
                raise
        return str(found[0]["imageDigest"]) if found else None


class EcrRegistry(EcrTags):
    """ECR repositories of one account and region; the engine pushes to them, and pulls from them.

    `process` is who borrows images, so that they go when it is killed.
    """

    def __init__(self, aws: Aws, engine: docker.DockerClient, clock: Clock, *, process: Identity | None = None) -> None:
        super().__init__(aws)
        self._engine = engine
        self._clock = clock
        self._addresses: dict[str, str] = {}
        self._token: tuple[Mapping[str, str], datetime] | None = None
        self._lock = threading.Lock()
        self._leavings = Leavings(engine, process or Identity())

    def tags_of(self, repository: str, digest: str) -> tuple[str, ...]:
        """The tags that name that image (AWS: DescribeImages). Raises NotFoundError: no such repository or image."""
        with reading(f"Image {digest} of ECR repository {repository}"):
            found = self._aws.reader("ecr").describe_images(
                repositoryName=repository, imageIds=[{"imageDigest": digest}]
            )["imageDetails"]
        if not found:
            raise NotFoundError(f"ECR repository {repository} has no image {digest}.")
        return tuple(found[0].get("imageTags", ()))

    def expires_untagged(self, repository: str) -> bool:
        """Whether a lifecycle rule removes untagged images (AWS: GetLifecyclePolicy; `any` counts them in). Raises
        NotFoundError when there is no such repository."""
        with reading(f"The lifecycle policy of ECR repository {repository}"):
            try:
                text = self._aws.reader("ecr").get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"]
            except ClientError as error:
                if error_code(error) == "LifecyclePolicyNotFoundException":
                    return False
                raise
        return any(_removes_untagged(rule) for rule in json.loads(text).get("rules", []))

    def reference(self, repository: str, digest: str) -> str:
        """`<registry>/<repository>@<digest>`. Raises NotFoundError when there is no such repository."""
        return f"{self._address(repository)}@{digest}"

    def pulled(self, repository: str, digest: str, progress: Progress) -> AbstractContextManager[str]:
        """The image of that digest in the local engine, by its id there. If it was not there before, it is pulled, and
        removed again in the end. Raises NotFoundError when the registry does not have it."""
        reference = self.reference(repository, digest)
        return borrowed(self._engine, self._leavings, reference, lambda: self._credentials()[0], progress)

    def push(self, image_id: str, repository: str, tag: str, progress: Progress) -> str:
        """Pushes an image of the local engine and returns its digest.

        A tag that already has this image is a success, as ECR refuses a second push to an immutable tag. One that has
        another is moved where the repository lets tags move, else AlreadyExistsError is raised.
        """
        address = self._address(repository)
        present = self._present(image_id, repository, tag)
        if present:
            return present
        for renew in (False, True):
            credentials, is_fresh = self._credentials(renew=renew)
            to = Destination(repository=address, tag=tag, credentials=credentials)
            try:
                return push_image(self._engine, image_id, to, progress)
            except PushError as error:
                # A token may be revoked before its time; one that was asked for just now was not.
                if is_fresh:
                    return self._after_refusal(error, image_id, repository, tag)
        raise AssertionError("a renewed token is fresh")

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Gives an image of the registry one more tag (AWS: ECR user guide, "Retagging an image").

        A tag that already has it is a success. Raises NotFoundError: no such image; AlreadyExistsError: the tag stays.
        """
        if self.digest_of(repository, tag) == digest:
            return
        found = self._image(repository, digest)
        if not found:
            raise NotFoundError(f"ECR repository {repository} has no image {digest}.")
        asked = {"imageManifest": found["imageManifest"], "imageTag": tag, "imageDigest": digest}
        if found.get("imageManifestMediaType"):
            asked["imageManifestMediaType"] = found["imageManifestMediaType"]
        with changing(f"Tag {tag} of ECR repository {repository}"):
            try:
                self._aws.writer("ecr").put_image(repositoryName=repository, **asked)
            except ClientError as error:
                if error_code(error) == "ImageTagAlreadyExistsException":
                    raise _taken(repository, tag) from None
                if error_code(error) != "ImageAlreadyExistsException":
                    raise

    def _address(self, repository: str) -> str:
        if repository not in self._addresses:
            with reading(f"ECR repository {repository}"):
                found = self._aws.reader("ecr").describe_repositories(repositoryNames=[repository])["repositories"]
            if not found:
                raise NotFoundError(f"There is no ECR repository {repository}.")
            self._addresses[repository] = str(found[0]["repositoryUri"])
        return self._addresses[repository]

    def _present(self, image_id: str, repository: str, tag: str) -> str | None:
        """The tag's digest when it holds this image."""
        digest = self.digest_of(repository, tag)
        if digest is None or digest == image_id:
            return digest
        # Where the engine keeps images by configuration, the id is the digest of the manifest's configuration.
        return digest if self._configuration(repository, digest) == image_id else None

    def _configuration(self, repository: str, digest: str) -> str:
        found = self._image(repository, digest)
        manifest = json.loads(found["imageManifest"]) if found else {}
        return str(manifest.get("config", {}).get("digest", ""))

    def _image(self, repository: str, digest: str) -> Mapping[str, Any]:
        """The image's manifest and its media type; empty where there is none."""
        with reading(f"ECR repository {repository}"):
            images: list[Mapping[str, Any]] = self._aws.reader("ecr").batch_get_image(
                repositoryName=repository, imageIds=[{"imageDigest": digest}], acceptedMediaTypes=MANIFEST_TYPES
            )["images"]
        return images[0] if images else {}

    def _after_refusal(self, error: PushError, image_id: str, repository: str, tag: str) -> str:
        """The refusal's meaning; another push of the same image that was faster makes it a success."""
        present = self._present(image_id, repository, tag)
        if present:
            return present
        # The code comes from the registry protocol (OCI distribution specification, "Error Codes").
        code = str(error).partition(":")[0].lower()
        said = f"ECR repository {repository} refused tag {tag}: {error}."
        if code == "tag invalid" and self.digest_of(repository, tag):
            raise _taken(repository, tag) from None
        if code in {"denied", "unauthorized", "no basic auth credentials"}:
            raise AccessError(said, resolution="Check that the caller may push to it.") from None
        if code == "name unknown":
            raise NotFoundError(said) from None
        raise TransientError(said) from None

    def _credentials(self, *, renew: bool = False) -> tuple[Mapping[str, str], bool]:
        """User and password for the registry, and whether they were asked for just now."""
        with self._lock:
            if self._token and not renew and self._clock.now() < self._token[1] - RENEW_BEFORE:
                return self._token[0], False
            with reading("The ECR login"):
                given = self._aws.reader("ecr").get_authorization_token()["authorizationData"][0]
            user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
            self._token = ({"username": user, "password": password}, given["expiresAt"])
            return self._token[0], True


def _removes_untagged(rule: Mapping[str, Any]) -> bool:
    chosen = rule.get("selection", {}).get("tagStatus") in {"untagged", "any"}
    return chosen and rule.get("action", {}).get("type") == "expire"


def _taken(repository: str, tag: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"Tag {tag} of ECR repository {repository} already holds another image, and tags do not move there.",
        resolution="Delete that tag, or change what the image is made of.",
    )
