"""How images are built, and pushed, by a Docker Engine."""

import os
import socket
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from lgtm_deploy.adapters import child, context
from lgtm_deploy.adapters.docker_stream import Message, engine_errors, follow, one_line
from lgtm_deploy.adapters.dockerfile import base_images
from lgtm_deploy.core.errors import (
    AccessError,
    DeployError,
    MissingToolError,
    NotFoundError,
    PermanentError,
    TransientError,
)
from lgtm_deploy.core.ports import BuildRequest, BuiltImage, Progress

# Seconds without a byte from the engine. Builds and pushes are stopped by their progress, not by this.
ENGINE_TIMEOUT = 300
LAST_LINES = 5
DEFAULT_HOST = "unix:///var/run/docker.sock"


def connect(docker_host: str | None = None) -> docker.DockerClient:
    """A client of the engine at `docker_host` (such as `unix:///run/docker.sock`), else at DOCKER_HOST, else the
    default socket. Raises MissingToolError when no engine answers."""
    host = docker_host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    try:
        _knock(host)
        if docker_host:
            return docker.DockerClient(base_url=docker_host, version="auto", timeout=ENGINE_TIMEOUT)
        return docker.DockerClient.from_env(version="auto", timeout=ENGINE_TIMEOUT)
    except PermissionError as error:
        raise MissingToolError(
            f"No permission to use the Docker Engine at {host}.",
            resolution="Run as a member of the group `docker`, or set DOCKER_HOST.",
        ) from error
    except (DockerException, OSError) as error:
        raise MissingToolError(
            f"No Docker Engine answers at {host}.", resolution="Start Docker, or set DOCKER_HOST to where it runs."
        ) from error


def has_buildx(docker_host: str | None = None) -> bool:
    """Whether the `docker` command is here with a buildx plugin that works: then images are built by BuildKit."""
    with tempfile.TemporaryDirectory(prefix="lgtm-deploy-") as folder:
        try:
            found = subprocess.run(
                ["docker", "buildx", "version"],
                env=_command_environment(Path(folder), docker_host),
                capture_output=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return found.returncode == 0


class DockerBuilder:
    """Builds with the engine's classic builder, or with BuildKit where `buildkit` says so.

    docker-py has no BuildKit, so that is run as `docker buildx build` with a configuration of its own; `docker_host` is
    where that command finds the engine.
    """

    def __init__(self, engine: docker.DockerClient, *, buildkit: bool = False, docker_host: str | None = None) -> None:
        self._engine = engine
        self._buildkit = buildkit
        self._docker_host = docker_host

    def identity(self, request: BuildRequest) -> str:
        """A hash of context, Dockerfile, base images' digests, arguments and platform.

        A base image that is not in the engine is pulled. Raises NotFoundError, MissingToolError.
        """
        dockerfile = context.read_dockerfile(request)
        images = base_images(dockerfile, request.build_args)
        return context.hash_of(request, dockerfile, {image: self._digest(image, request.platform) for image in images})

    def build(self, request: BuildRequest, labels: Mapping[str, str], progress: Progress) -> BuiltImage:
        """Builds. Raises PermanentError with the failing instruction and its last output lines."""
        context.read_dockerfile(request)
        # Without a name: whatever ends this process, the archive goes with it.
        with tempfile.TemporaryFile() as archive:
            context.write_archive(request, archive)
            archive.seek(0)
            if self._buildkit:
                image = self._build_with_buildkit(request, labels, progress, archive)
            else:
                image = self._build_classic(request, labels, progress, archive)
        with engine_errors(f"Image {image}"):
            return BuiltImage(id=image, size=int(self._inspect(image)["Size"]))

    def has(self, image_id: str) -> bool:
        """Whether the engine has that image. Raises MissingToolError: it does not answer."""
        with engine_errors(f"Image {image_id}"):
            try:
                self._inspect(image_id)
            except ImageNotFound:
                return False
        return True

    def variables(self, request: BuildRequest) -> tuple[str, ...]:
        """What files of the context take as `${NAME}`, the Dockerfile left out. Raises PermanentError."""
        return context.variables(request)

    def _digest(self, image: str, platform: str) -> str:
        with engine_errors(f"Base image {image}"):
            try:
                found = self._inspect(image)
            except ImageNotFound:
                self._pull(image, platform)
                found = self._inspect(image)
        digests = sorted(name.rpartition("@")[2] for name in found.get("RepoDigests") or [])
        return digests[0] if digests else str(found["Id"])

    def _inspect(self, image: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._engine.api.inspect_image(image)  # type: ignore[no-untyped-call]
        return found

    def _pull(self, image: str, platform: str) -> None:
        try:
            for message in self._engine.api.pull(image, platform=platform, stream=True, decode=True):
                if "error" in message:
                    raise _pull_error(image, str(message["error"]))
        except NotFound as error:
            raise _pull_error(image, str(error.explanation)) from error
        except APIError as error:
            # The engine answers 500 when the registry cannot be reached, and also when it knows no such image.
            raise NotFoundError(
                f"Base image {image} does not exist here and cannot be pulled: {one_line(error.explanation)}.",
                resolution="Check the FROM line and its VERSION; is the registry reachable?",
            ) from error

    def _build_classic(
        self, request: BuildRequest, labels: Mapping[str, str], progress: Progress, archive: IO[bytes]
    ) -> str:
        log = _BuildLog()

        def start() -> Iterable[Message]:
            return self._engine.api.build(
                fileobj=archive,
                custom_context=True,
                dockerfile=request.dockerfile,
                buildargs=dict(request.build_args),
                labels=dict(labels),
                platform=request.platform,
                rm=True,
                forcerm=True,
                decode=True,
            )

        with engine_errors(f"The build of {request.context}"):
            for message in follow(self._engine, start, progress):
                log.take(message, progress)
        return log.image(request)

    def _build_with_buildkit(
        self, request: BuildRequest, labels: Mapping[str, str], progress: Progress, archive: IO[bytes]
    ) -> str:
        arguments = ["docker", "buildx", "build", "--load", "--progress=plain"]
        arguments += [f"--platform={request.platform}", f"--file={request.dockerfile}"]
        # Without a value the argument comes from the environment: values never show in the process list.
        arguments += [f"--build-arg={name}" for name in request.build_args]
        arguments += [f"--label={name}={value}" for name, value in labels.items()]
        with tempfile.TemporaryDirectory(prefix="lgtm-deploy-") as folder:
            image_file = Path(folder) / "image"
            command = child.Command(
                arguments=[*arguments, f"--iidfile={image_file}", "-"],
                directory=request.context,
                environment={**_command_environment(Path(folder), self._docker_host), **request.build_args},
                stdin=archive,
            )
            try:
                done = child.run(command, progress)
            except child.KilledError as error:
                raise error.__cause__ or error from None
            if done.exit_code != 0:
                lines = [line for line in done.errors if line.strip()][-LAST_LINES:]
                raise PermanentError(f"The build of {request.context} failed: {' | '.join(lines)}")
            return image_file.read_text(encoding="ascii").strip()


class _BuildLog:
    """What the classic builder said."""

    def __init__(self) -> None:
        self._step = ""
        self._lines: deque[str] = deque(maxlen=LAST_LINES)
        self._image = ""
        self._error = ""

    def take(self, message: Message, progress: Progress) -> None:
        for line in str(message.get("stream", "")).splitlines():
            if line.startswith("Step "):
                self._step = line[len("Step ") :].replace(" : ", " ", 1)
                self._lines.clear()
            elif line.strip() and not line.startswith(" --->"):
                self._lines.append(line.strip())
            progress(line.strip())
        self._image = str(message.get("aux", {}).get("ID", self._image))
        self._error = str(message.get("error", self._error))

    def image(self, request: BuildRequest) -> str:
        if self._error:
            output = f" Last output: {' | '.join(self._lines)}" if self._lines else ""
            raise PermanentError(
                f"The build of {request.context} failed at step {self._step or '0'}: {one_line(self._error)}.{output}"
            )
        if not self._image:
            raise TransientError(f"The engine ended the build of {request.context} without an image.")
        return self._image


def _knock(host: str) -> None:
    """Raises OSError when nobody is behind a Unix socket: docker-py wraps why, and leaves its own socket open."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.connect(host.removeprefix("unix://"))


def _pull_error(image: str, said: str) -> DeployError:
    code = said.partition(":")[0].lower()
    if code in {"denied", "unauthorized"}:
        return AccessError(f"Base image {image} may not be pulled: {one_line(said)}.")
    return NotFoundError(f"Base image {image} does not exist.", resolution=f"The registry said: {one_line(said)}.")


def _command_environment(folder: Path, docker_host: str | None) -> dict[str, str]:
    """For the `docker` command: a configuration folder of its own, and the user's plugins."""
    plugins = Path.home() / ".docker" / "cli-plugins"
    (folder / "config.json").write_text(f'{{"cliPluginsExtraDirs": ["{plugins}"]}}', encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_HOST") if name in os.environ}
    chosen = {"DOCKER_HOST": docker_host} if docker_host else {}
    # Attestations would make an index of every image, whose digest differs at each build.
    return {**kept, **chosen, "DOCKER_CONFIG": str(folder), "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
