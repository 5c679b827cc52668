"""How do today's images get into the sandbox's registry?"""

import time
from collections.abc import Mapping
from pathlib import Path

import docker
from docker.errors import DockerException

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.adapters.docker import DockerBuilder
from lgtm_deploy.adapters.ecr import EcrRegistry
from lgtm_deploy.core.errors import NotFoundError, PermanentError
from lgtm_deploy.core.ports import BuildRequest, Progress
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.sandbox.base_image import BaseImageError, build_base_images
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.removal import HOME_LABEL

REPOSITORY_SECONDS = 300.0
# As the step `build-image` names them, so that an unchanged service's image is found.
_TAG_LENGTH = 32
_POLL_SECONDS = 0.3
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}


def ensure_base_images(home: Home, engine: docker.DockerClient, stack: Stack, progress: Progress) -> None:
    """Makes the stand-in base images that are missing. Raises PermanentError when the engine refuses.

    They bear the home's label, and so does everything that is built on them.
    """
    progress("building the stand-in base images")
    versions = {service.name: service.version for service in stack.services.values() if service.version}
    try:
        build_base_images(engine, label=f"{HOME_LABEL}={home.identity}", versions=versions, registry=home.base_registry)
    except (BaseImageError, DockerException) as error:
        raise PermanentError(f"The stand-in base images cannot be built: {error}") from error


class Publisher:
    """Builds services' images from a folder with the stack's files, and pushes them."""

    def __init__(self, stack: Stack, folder: Path, engine: docker.DockerClient, connection: Connection) -> None:
        self._folder = folder
        self._builder = DockerBuilder(engine)
        self._registry = EcrRegistry(
            Aws(region=connection.region, endpoint_url=connection.endpoint), engine, SystemClock()
        )
        self._build_args: Mapping[str, str] = {**stack.environment.build_args, **connection.build_args}
        self._platform = _PLATFORMS.get(str(engine.info()["Architecture"]), "linux/amd64")

    def publish(self, service: Service, progress: Progress) -> str:
        """Builds, waits for the repository, pushes, and returns how a task definition names the image."""
        version = {"VERSION": service.version} if service.version else {}
        request = BuildRequest(
            context=self._folder / service.context,
            dockerfile=service.dockerfile,
            build_args={**version, **self._build_args, **service.build_args},
            platform=self._platform,
        )
        tag = self._builder.identity(request)[:_TAG_LENGTH]
        progress(f"building {service.name}")
        labels = {"lgtm-deploy.service": service.name, "lgtm-deploy.identity": tag}
        built = self._builder.build(request, labels, _silently(progress))
        self._await_repository(service.repository, tag, progress)
        progress(f"pushing {service.name}")
        digest = self._registry.push(built.id, service.repository, tag, _silently(progress))
        return self._registry.reference(service.repository, digest)

    def _await_repository(self, repository: str, tag: str, progress: Progress) -> None:
        # Terraform makes the repositories at the same time.
        deadline = time.monotonic() + REPOSITORY_SECONDS
        while True:
            try:
                self._registry.digest_of(repository, tag)
            except NotFoundError:
                if time.monotonic() > deadline:
                    raise
                progress("")
                time.sleep(_POLL_SECONDS)
            else:
                return


def _silently(progress: Progress) -> Progress:
    return lambda _line: progress("")
