"""The base images of a sandbox, and the build and push of the services' images."""

import time
from collections.abc import Callable, Mapping, Sequence
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
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Source, program_of, short, version_of
from lgtm_deploy.sandbox.removal import HOME_LABEL
from lgtm_deploy.sandbox.vendor_images import dockerfile_of, image_of, platform_of, references_of, tag_standin

# As the step `build-image` names them, so that an unchanged service's image is found.
_TAG_LENGTH = 32
_POLL_SECONDS = 0.3
REGISTRY_ARGUMENT = "BASE_REGISTRY"


def ensure_standins(
    home: Home,
    engine: docker.DockerClient,
    choice: Choice,
    arguments: Mapping[str, Mapping[str, str]],
    progress: Progress,
) -> None:
    """Make the stand-in base images of the choice that are missing. Raise PermanentError when the engine refuses.

    `arguments` are those of `standin_arguments`. A stand-in for a Dockerfile that takes no registry gets the vendor's
    name.
    """
    standins = {name: choice.images[name] for name in choice.of(Source.STANDIN)}
    if not standins:
        return
    versions = [(program_of(image.reference), version_of(image.reference)) for image in standins.values()]
    build_standins(home, engine, versions, choice.factor, progress)
    registry = home.base_registry(choice.factor)
    for name, image in standins.items():
        if not arguments.get(name):
            tag_standin(home, engine, standin_name(registry, image.reference), image)


def build_standins(
    home: Home, engine: docker.DockerClient, versions: Sequence[tuple[str, str]], factor: float, progress: Progress
) -> None:
    """Build stand-in base images, each of a program and a version, where they are missing.

    They have the home's label, and so has everything that is built on them. Raise PermanentError when the engine
    refuses.
    """
    progress("building the stand-in base images")
    label, registry = f"{HOME_LABEL}={home.identity}", home.base_registry(factor)
    try:
        for program, version in dict.fromkeys(versions):
            build_base_images(engine, label=label, versions={program: version}, registry=registry, factor=factor)
    except (BaseImageError, DockerException) as error:
        raise PermanentError(f"The stand-in base images cannot be built: {error}") from error


def ensure_named(home: Home, engine: docker.DockerClient, reference: str, factor: float, progress: Progress) -> None:
    """Give the stand-in of an image the vendor's name, unless the engine has an image of that name.

    Raise PermanentError when the engine refuses.
    """
    if image_of(engine, reference):
        return
    build_standins(home, engine, [(program_of(reference), version_of(reference))], factor, progress)
    standin = standin_name(home.base_registry(factor), reference)
    tag_standin(home, engine, standin, BaseImage(source=Source.STANDIN, reference=reference))


def standin_arguments(
    home: Home, stack: Stack, files: Mapping[str, Path], choice: Choice, *, own_engine: bool
) -> dict[str, dict[str, str]]:
    """Return by service the build arguments that select its stand-in.

    They are empty where the Dockerfile takes no registry: the stand-in then gets the vendor's name, in an engine of the
    sandbox's own. Raise PermanentError for such a Dockerfile in another engine.
    """
    registry = home.base_registry(choice.factor)
    found: dict[str, dict[str, str]] = {}
    for name in choice.of(Source.STANDIN):
        service, reference = stack.services[name], choice.images[name].reference
        dockerfile = dockerfile_of(service, files)
        given = {REGISTRY_ARGUMENT: registry}
        if dockerfile and standin_name(registry, reference) in references_of(dockerfile, service, stack, given):
            found[name] = given
        elif own_engine:
            found[name] = {}
        else:
            raise PermanentError(
                f"The Dockerfile of '{name}' names {short(reference)}, and in your Docker Engine no stand-in gets the"
                " vendor's name.",
                resolution=f"Write `ARG {REGISTRY_ARGUMENT}=docker.io` and `FROM ${{{REGISTRY_ARGUMENT}}}/grafana/…`,"
                " or load the vendor's image.",
            )
    return found


def standin_name(registry: str, reference: str) -> str:
    """Return the name of the stand-in for a vendor's image."""
    return f"{registry}/grafana/{program_of(reference)}:{version_of(reference)}"


class Publisher:
    """Builds services' images from a folder with the stack's files, and pushes them.

    `may_come` tells whether a repository that is missing may still be made.
    """

    def __init__(
        self,
        stack: Stack,
        folder: Path,
        engine: docker.DockerClient,
        connection: Connection,
        *,
        may_come: Callable[[], bool],
    ) -> None:
        self._may_come = may_come
        self._folder = folder
        self._builder = DockerBuilder(engine)
        self._registry = EcrRegistry(
            Aws(region=connection.region, endpoint_url=connection.endpoint), engine, SystemClock()
        )
        self._environment_args = stack.environment.build_args
        self._standin_args = connection.build_args
        self._platform = platform_of(engine)
        self._built: dict[str, str] = {}

    def publish(self, service: Service, progress: Progress) -> str:
        """Builds, waits for the repository, pushes, and returns how a task definition names the image."""
        version = {"VERSION": service.version} if service.version else {}
        request = BuildRequest(
            context=self._folder / service.context,
            dockerfile=service.dockerfile,
            build_args={
                **version,
                **self._environment_args,
                **service.build_args,
                **self._standin_args.get(service.name, {}),
            },
            platform=self._platform,
        )
        tag = self._builder.identity(request)[:_TAG_LENGTH]
        progress(f"building {service.name}")
        labels = {"lgtm-deploy.service": service.name, "lgtm-deploy.identity": tag}
        built = self._builder.build(request, labels, _silently(progress))
        self._built[service.name] = built.id
        self._await_repository(service.repository, tag, progress)
        progress(f"pushing {service.name}")
        digest = self._registry.push(built.id, service.repository, tag, _silently(progress))
        return self._registry.reference(service.repository, digest)

    def tag(self, service: Service, tag: str) -> None:
        """Push the image of a service that was published to another tag of its repository."""
        self._registry.push(self._built[service.name], service.repository, tag, _silently(lambda _text: None))

    def _await_repository(self, repository: str, tag: str, progress: Progress) -> None:
        # Terraform makes the repositories at the same time, and takes as long as the machine needs.
        while True:
            last_look = not self._may_come()
            try:
                self._registry.digest_of(repository, tag)
            except NotFoundError:
                if last_look:
                    raise
                progress("")
                time.sleep(_POLL_SECONDS)
            else:
                return


def _silently(progress: Progress) -> Progress:
    return lambda _line: progress("")
