"""How an image is tried out in a Docker Engine: as the task definition would start it, where it can reach nobody."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import docker
from docker.errors import APIError
from docker.types import LogConfig
from docker.types import Ulimit as DockerUlimit

from lgtm_deploy.adapters.docker_leavings import NAME, Identity, Leavings
from lgtm_deploy.adapters.docker_running import DockerRunning, check_architecture
from lgtm_deploy.adapters.docker_stream import engine_errors, one_line
from lgtm_deploy.adapters.http import connects
from lgtm_deploy.core.errors import MissingToolError, PermanentError
from lgtm_deploy.core.ports import ContainerSpec, Progress, RunningImage

REACH_SECONDS = 1.0
# Engines in a virtual machine tell their host of a published port within a few seconds.
PUBLISH_SECONDS, PUBLISH_EVERY = 5.0, 0.25
_OWN = "AWS_"


class DockerProbe:
    """Starts each image on a bridge network of its own that has no way out.

    It is asked at its own address; where that cannot be reached from here, as with Docker Desktop, at a port published
    on 127.0.0.1. What processes left here that are gone (`process` tells) is removed at the next start. Secrets are
    taken from `environment`, but for the `AWS_` variables: those are the caller's own.
    """

    def __init__(
        self, engine: docker.DockerClient, process: Identity, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._engine = engine
        self._leavings = Leavings(engine, process)
        # What this process signs its own calls with is for no program that is tried out.
        self._known = {name: value for name, value in environment.items() if not name.startswith(_OWN)}
        self._where = environment.get("DOCKER_HOST") or str(engine.api.base_url)
        self._is_far = False

    @contextlib.contextmanager
    def start(self, image: str, spec: ContainerSpec, port: int, progress: Progress) -> Iterator[RunningImage]:
        """The image, started. Raises PermanentError when it cannot be, MissingToolError where this machine is not made
        for it: the engine's containers cannot be reached from here, or it runs programs of other processors."""
        secrets = {name: self._known[name] for name in spec.secrets if name in self._known}
        filled = replace(spec, environment={**secrets, **spec.environment})
        with engine_errors(f"The trial of image {image}"):
            self._leavings.sweep()
            with contextlib.ExitStack() as held:
                container = self._reachable(held, image, filled, port, progress)
                yield DockerRunning(self._engine, container, self._url(container, port), tuple(secrets.values()))

    def unknown(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Those that the caller's environment has no variable for, or one that is for the caller alone (`AWS_…`)."""
        return tuple(name for name in secrets if name not in self._known)

    def pause(self, seconds: float) -> None:
        """Sleeps."""
        time.sleep(seconds)

    def _reachable(
        self, held: contextlib.ExitStack, image: str, spec: ContainerSpec, port: int, progress: Progress
    ) -> str:
        """A started container that can be asked from here, by its id; it goes when `held` does."""
        if not self._is_far:
            with contextlib.ExitStack() as near:
                trial = near.enter_context(self._leavings.trial())
                container = self._started(trial, image, spec, None, progress)
                if self._reaches(container, port):
                    held.push(near.pop_all())
                    return container
            self._is_far = True
        container = self._started(held.enter_context(self._leavings.trial()), image, spec, port, progress)
        self._await_published(container, port, progress)
        return container

    def _await_published(self, container: str, port: int, progress: Progress) -> None:
        """The engine listens on a port that it publishes whether or not the program in it does; where nobody listens,
        the engine is another machine's, or this is a container beside its containers."""
        for _ in range(int(PUBLISH_SECONDS / PUBLISH_EVERY)):
            found = self._published(container, port)
            if connects("127.0.0.1", found, REACH_SECONDS) or not self._inspected(container)["State"]["Running"]:
                return
            progress("")
            time.sleep(PUBLISH_EVERY)
        raise MissingToolError(
            f"The containers of the Docker Engine at {self._where} cannot be reached from here.",
            resolution="Run this on that engine's own machine.",
        )

    def _started(self, trial: str, image: str, spec: ContainerSpec, publish: int | None, progress: Progress) -> str:
        name, labels = f"{NAME}-{trial}", self._leavings.labels(trial)
        self._engine.networks.create(
            name,
            driver="bridge",
            # An internal network publishes no ports (Docker's documentation, "docker network create").
            internal=publish is None,
            options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
            labels=labels,
        )
        progress("")
        created = self._engine.containers.create(
            image,
            name=name,
            labels=labels,
            network=name,
            ports={f"{publish}/tcp": ("127.0.0.1", None)} if publish else None,  # type: ignore[dict-item]
            **self._arguments(spec),
        )
        progress("")
        try:
            created.start()
        except APIError as error:
            check_architecture(self._engine, image, str(error.explanation or error))
            raise PermanentError(f"Image {image} cannot be started: {one_line(error.explanation or error)}.") from error
        return str(created.id)

    def _arguments(self, spec: ContainerSpec) -> dict[str, Any]:
        """Docker's words for the task definition's."""
        memory = f"{spec.memory}m" if spec.memory else None
        return {
            "environment": dict(spec.environment),
            "command": list(spec.command) or None,
            "entrypoint": list(spec.entry_point) or None,
            "user": spec.user or None,
            "working_dir": spec.working_directory or None,
            "mem_limit": memory,
            # Fargate has no swap.
            "memswap_limit": memory,
            # A weight, not a limit: it changes how soon the image answers and not what, and people wait for it.
            "cpu_shares": spec.cpu or None,
            "read_only": spec.read_only,
            "ulimits": [DockerUlimit(name=limit.name, soft=limit.soft, hard=limit.hard) for limit in spec.ulimits],
            "volumes": list(spec.mounts) or None,
            # An image's own health check is not ECS's business (AWS: HealthCheck).
            "healthcheck": {"test": ["NONE"]},
            "log_config": LogConfig(type=LogConfig.types.JSON, config={"max-size": "1m"}),
        }

    def _reaches(self, container: str, port: int) -> bool:
        """Whether the container's address can be reached from here. A refusal is an answer; so is having ended."""
        found = connects(self._address(container), port, REACH_SECONDS, refused=True)
        return found or not self._inspected(container)["State"]["Running"]

    def _url(self, container: str, port: int) -> str:
        if not self._is_far:
            return f"http://{self._address(container)}:{port}"
        return f"http://127.0.0.1:{self._published(container, port)}"

    def _published(self, container: str, port: int) -> int:
        published = self._inspected(container)["NetworkSettings"]["Ports"].get(f"{port}/tcp") or [{}]
        return int(published[0].get("HostPort", port))

    def _address(self, container: str) -> str:
        [network] = self._inspected(container)["NetworkSettings"]["Networks"].values()
        # One that has ended has no address any more, and nobody will answer at this one.
        return str(network["IPAddress"] or "127.0.0.1")

    def _inspected(self, container: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._engine.api.inspect_container(container)
        return found
