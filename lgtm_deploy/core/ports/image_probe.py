"""Trying an image out on this machine, as the task definition would start it."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from lgtm_deploy.core.ports.probes import Answer
from lgtm_deploy.core.ports.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Ulimit:
    """A resource limit of the container (AWS: Ulimit)."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """How a container is started (AWS: ContainerDefinition); what is empty or 0 is the image's own business.

    `secrets` are the names of the variables that a secret store fills in, never the values. `memory` is the hard limit
    in MiB, `cpu` is in units of which a vCPU has 1,024. `mounts` are the paths where a volume is mounted.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    user: str = ""
    working_directory: str = ""
    memory: int = 0
    cpu: int = 0
    read_only: bool = False
    ulimits: tuple[Ulimit, ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a container ended. `log` are the last lines of its log, as many as are needed to explain it, oldest first."""

    exit_code: int
    out_of_memory: bool = False
    log: tuple[str, ...] = ()


class RunningImage(Protocol):
    """An image that was started."""

    @property
    def variables(self) -> frozenset[str]:
        """The names of the environment variables that it has, those of the image itself included."""

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "") -> Answer:
        """Ask with `send` as the JSON body, where there is one; redirects are not followed. Threads may share it.

        Raises TransientError when nothing answers, TimedOutError when no complete answer comes in time.
        """

    def ended(self) -> Ended | None:
        """How it ended, or None while it runs. Raises MissingToolError when this machine cannot run it at all."""

    def log(self) -> tuple[str, ...]:
        """Return the last lines of its log, as many as are needed to explain it, oldest first."""


class ImageProbe(Protocol):
    """Starts images to ask them something: on a network of their own that leads nowhere."""

    def start(
        self, image: str, spec: ContainerSpec, port: int, progress: Progress
    ) -> AbstractContextManager[RunningImage]:
        """The image of that id in the local engine, started; `port` is where it listens.

        A secret gets its value from the caller's environment variable of the same name, where there is one. Leaving
        removes everything that was made, whatever happened. Raises PermanentError when it cannot be started,
        MissingToolError when that is this machine's lack and not the image's.
        """

    def unknown(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Those of these secrets that have no value here."""

    def pause(self, seconds: float) -> None:
        """Lets so much time pass between two questions."""
