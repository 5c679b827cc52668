"""What a container that is tried out answers, and how it ended."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import docker

from lgtm_deploy.adapters.docker_stream import engine_errors
from lgtm_deploy.adapters.http import HttpAsker
from lgtm_deploy.core.errors import MissingToolError
from lgtm_deploy.core.log_excerpt import LINES_READ
from lgtm_deploy.core.ports import Answer, Ended
from lgtm_deploy.core.secrecy import replacing

# A shorter secret would hide harmless text wherever it occurs.
SHORTEST_SECRET = 4
HIDDEN = "***"
_OTHER_PROCESSOR = "exec format error"
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class DockerRunning:
    """A started container, asked at its URL. `secrets` are values that must not be repeated to anybody."""

    def __init__(self, engine: docker.DockerClient, container: str, url: str, secrets: Sequence[str]) -> None:
        self._engine = engine
        self._container = container
        self._asker = HttpAsker(url)
        self._redacted = replacing(dict.fromkeys(_parts_of(secrets), HIDDEN))
        self._variables: frozenset[str] | None = None

    @property
    def variables(self) -> frozenset[str]:
        """The names of its environment variables."""
        if self._variables is None:
            listed = self._inspected()["Config"].get("Env") or []
            self._variables = frozenset(entry.partition("=")[0] for entry in listed)
        return self._variables

    def ask(self, path: str, *, method: str = "GET", send: str = "", tenant: str = "") -> Answer:
        """Ask with `send` as the JSON body. Raises TransientError when nothing answers, TimedOutError when too late."""
        answer = self._asker.ask(path, method=method, send=send, tenant=tenant)
        return replace(answer, body=self._redacted(answer.body or ""))

    def ended(self) -> Ended | None:
        """How it ended, or None while it runs. Raises MissingToolError when it could not run on this machine."""
        found = self._inspected()
        state = found["State"]
        if state["Running"]:
            return None
        log = self.log()
        with engine_errors("The trial's image"):
            check_architecture(self._engine, str(found["Image"]), " ".join(log))
        return Ended(exit_code=int(state["ExitCode"]), out_of_memory=bool(state.get("OOMKilled")), log=log)

    def log(self) -> tuple[str, ...]:
        """Return the last lines of its log, oldest first, without secrets. Indentation stays: it tells stack traces."""
        with engine_errors("The log of the trial's container"):
            raw: bytes = self._engine.api.logs(self._container, stdout=True, stderr=True, tail=LINES_READ)
        lines = (_CONTROL.sub("", line).rstrip() for line in raw.decode(errors="replace").splitlines())
        return tuple(self._redacted(line) for line in lines if line)

    def _inspected(self) -> Mapping[str, Any]:
        with engine_errors("The trial's container"):
            found: Mapping[str, Any] = self._engine.api.inspect_container(self._container)
        return found


def check_architecture(engine: docker.DockerClient, image: str, said: str) -> None:
    """Raises MissingToolError when the kernel refused the image's program because it is another processor's (execve(2):
    ENOEXEC), and the engine has no emulation of that."""
    if _OTHER_PROCESSOR not in said.lower():
        return
    wanted = str(engine.api.inspect_image(image).get("Architecture", ""))  # type: ignore[no-untyped-call]
    has = str(engine.api.version(api_version=False).get("Arch", ""))
    if wanted and has and wanted != has:
        raise MissingToolError(
            f"The image is made for {wanted}, and this machine's Docker Engine runs {has} without emulating that.",
            resolution=f"Run this on a machine with {wanted}, or set QEMU's binfmt handlers up.",
        )


def _parts_of(secrets: Sequence[str]) -> set[str]:
    """Return what a log or a body may show of these values: the whole, or a line of it, without the space around."""
    found = {part.strip() for value in secrets for part in (value, *value.splitlines())}
    return {part for part in found if len(part) >= SHORTEST_SECRET}
