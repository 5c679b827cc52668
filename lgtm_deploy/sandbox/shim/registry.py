"""How does ECR answer so that the Docker engine can push and pull?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import ecr

from .settings import Settings


@dataclass(frozen=True, kw_only=True)
class ImageReference:
    """An image as a task definition names it: registry host, repository, and a tag or a digest."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, image: str) -> ImageReference:
        """Parse Docker's ``[host[:port]/]repository[:tag][@digest]``; no host means no registry of ours."""
        name, _, digest = image.partition("@")
        head, slash, tail = name.partition("/")
        has_host = bool(slash) and ("." in head or ":" in head or head == "localhost")
        host, rest = (head, tail) if has_host else ("", name)
        repository, _, tag = rest.partition(":")
        return cls(host=host, repository=repository, tag=tag or (None if digest else "latest"), digest=digest or None)


class MissingImageError(Exception):
    """ECR has no such image."""


class Registry:
    """ECR with an address that works, and the one place that knows which images are ECR's."""

    def __init__(self, settings: Settings) -> None:
        """Answer with ``settings.registry``."""
        self._settings = settings
        self._token = ecr._get_authorization_token
        self._shape = ecr._repo_shape
        self._describe_images = ecr._describe_images

    def install(self) -> None:
        """Put the replacements into MiniStack."""
        ecr._repo_uri = self.repository_uri
        ecr._repo_shape = self.repository_shape
        ecr._get_authorization_token = self.authorization_token
        ecr._describe_images = self.describe_images

    def repository_uri(self, name: str) -> str:
        """The address of a repository, on a host and port that the engine can push to."""
        return f"{self._settings.registry}/{name}"

    def repository_shape(self, repository: dict[str, Any]) -> dict[str, Any]:
        """A repository with today's address: a restored state may come from another port."""
        return {**self._shape(repository), "repositoryUri": self.repository_uri(repository["repositoryName"])}

    def authorization_token(self, request: dict[str, Any]) -> Any:
        """GetAuthorizationToken with an endpoint that answers."""
        status, headers, body = self._token(request)
        answer = json.loads(body)
        for entry in answer["authorizationData"]:
            entry["proxyEndpoint"] = f"http://{self._settings.registry}"
        return status, headers, json.dumps(answer).encode()

    def describe_images(self, request: dict[str, Any]) -> Any:
        """DescribeImages; an image that is not there is an error, as the ECR API reference says."""
        name = request.get("repositoryName", "")
        if name in ecr._repositories:
            for image in request.get("imageIds") or []:
                if ecr._find_image(name, image) is None:
                    wanted = ", ".join(f"{key}:'{value}'" for key, value in image.items())
                    return error_response_json(
                        "ImageNotFoundException",
                        f"The image with imageId {{{wanted}}} does not exist within the repository with name "
                        f"'{name}' in the registry with id '{ecr._registry_id()}'",
                        400,
                    )
        return self._describe_images(request)

    def holds(self, reference: ImageReference) -> bool:
        """Say whether an image address means this sandbox's ECR.

        Any loopback port counts: a state copied to another port still names the old one in its task definitions.
        """
        host = reference.host.rpartition(":")[0] or reference.host
        ours = reference.host == self._settings.registry or host in {"127.0.0.1", "localhost"}
        return ours or (".dkr.ecr." in host and host.endswith(".amazonaws.com"))

    def digest_of(self, image: str) -> str | None:
        """The digest ECR has for an image, or None for an image of another registry.

        Raises MissingImageError where the image should be in ECR and is not.
        """
        reference = ImageReference.parse(image)
        if not self.holds(reference):
            return None
        wanted = reference.digest or reference.tag or "latest"
        digest: str | None = None
        if reference.repository in ecr._repositories:
            digest = ecr._resolve_manifest(reference.repository, wanted)[0]
        if digest is None:
            raise MissingImageError(f"failed to resolve ref {image}: {image}: not found")
        return digest

    def is_awaited(self, image: str) -> bool:
        """Say whether a missing image of ECR is still going to be pushed: the stack is being brought up."""
        reference = ImageReference.parse(image)
        return self.holds(reference) and reference.repository in self._settings.awaited

    def is_made(self, image: str) -> bool:
        """Say whether the engine still gets an image of another registry: the stack is being brought up."""
        return image.removeprefix("docker.io/") in self._settings.awaited

    def platforms(self, image: str, digest: str) -> set[str]:
        """The platforms of an image in ECR, such as ``linux/amd64``; none where it does not say."""
        repository = ImageReference.parse(image).repository
        manifest = json.loads(ecr._resolve_manifest(repository, digest)[1])
        described = [entry.get("platform") or {} for entry in manifest.get("manifests", [])]
        if "config" in manifest:
            configuration = ecr._layer_blobs.get(repository, {}).get(manifest["config"]["digest"])
            described.append(json.loads(configuration) if configuration else {})
        return {f"{each['os']}/{each['architecture']}" for each in described if each.get("os")}

    def pullable(self, image: str, digest: str) -> str:
        """The address the engine pulls an ECR image from: this gateway, by digest."""
        repository = ImageReference.parse(image).repository
        return f"127.0.0.1:{self._settings.gateway_port}/{repository}@{digest}"
