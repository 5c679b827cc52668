"""What trials make in an engine, and how it goes away again: also when the process that made it was killed."""

import contextlib
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import docker
import requests
from docker.errors import APIError, DockerException

# Every container, network and note of a trial bears both: which trial, and which process.
TRIAL_LABEL = "lgtm-deploy.trial"
PROCESS_LABEL = "lgtm-deploy.process"
# A note (an empty volume) that says which image was pulled for the time of a trial only.
PULLED_LABEL = "lgtm-deploy.pulled"
NAME = "lgtm-deploy-trial"
# In seconds. Plans give a trial minutes.
LONGEST_TRIAL = 3600.0


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which process this is, and whether another one, by its `name`, has certainly ended."""

    name: str = ""
    is_gone: Callable[[str], bool] = lambda _: False


class Leavings:
    """What this process has in the engine, and what others have left there."""

    def __init__(self, engine: docker.DockerClient, process: Identity) -> None:
        self._engine = engine
        self._process = process

    def labels(self, trial: str) -> dict[str, str]:
        """What everything bears that is made for the trial."""
        return {TRIAL_LABEL: trial, PROCESS_LABEL: self._process.name}

    @contextlib.contextmanager
    def trial(self) -> Iterator[str]:
        """A name for a trial; in the end all that bears it is removed."""
        trial = secrets.token_hex(6)
        try:
            yield trial
        finally:
            self._remove({"label": f"{TRIAL_LABEL}={trial}"})

    def sweep(self) -> None:
        """Removes what processes left that are gone, or that cannot be seen from here (another container's, of a CI job
        that was killed) and have made nothing for an hour: containers, networks, and images that they had pulled."""
        newest: dict[str, float] = {}
        for owner, made in self._owners():
            newest[owner] = max(made, newest.get(owner, 0.0))
        long_ago = time.time() - LONGEST_TRIAL
        for other, made in newest.items():
            if other == self._process.name or not (made < long_ago or self._process.is_gone(other)):
                continue
            self._remove({"label": f"{PROCESS_LABEL}={other}"})
            for note in self._notes(f"{PROCESS_LABEL}={other}"):
                self.release(note["Name"], str(note["Labels"][PULLED_LABEL]))

    def is_borrowed(self, reference: str) -> bool:
        """Whether the image is in the engine for the time of some trial only."""
        return bool(self._notes(f"{PULLED_LABEL}={reference}"))

    def borrow(self, reference: str) -> str:
        """Notes, before it is pulled, that the image is to go again; returns the note's name."""
        name = f"{NAME}-{secrets.token_hex(6)}"
        labels = {PROCESS_LABEL: self._process.name, PULLED_LABEL: reference}
        self._engine.api.create_volume(name, labels=labels)
        return name

    def release(self, note: str, reference: str) -> None:
        """Removes the image, unless another trial has borrowed it too or a container runs from it; then the note."""
        with contextlib.suppress(DockerException, requests.RequestException):
            others = [found for found in self._notes(f"{PULLED_LABEL}={reference}") if found["Name"] != note]
            if not others:
                _quietly(lambda: self._engine.api.remove_image(reference))
            _quietly(lambda: self._engine.api.remove_volume(note))

    def _owners(self) -> Iterator[tuple[str, float]]:
        """Whose each thing is, and when it was made, in seconds since 1970 by the engine's clock."""
        marked = {"label": PROCESS_LABEL}
        with contextlib.suppress(DockerException, requests.RequestException):
            for found in self._engine.api.containers(all=True, filters=marked):
                yield found["Labels"].get(PROCESS_LABEL, ""), float(found["Created"])
            for found in self._engine.api.networks(filters=marked):
                yield found["Labels"].get(PROCESS_LABEL, ""), _moment(found.get("Created", ""))
            for found in self._notes(PROCESS_LABEL):
                yield found["Labels"].get(PROCESS_LABEL, ""), _moment(found.get("CreatedAt", ""))

    def _notes(self, label: str) -> list[Mapping[str, Any]]:
        return self._engine.api.volumes(filters={"label": label})["Volumes"] or []

    def _remove(self, marked: Mapping[str, str]) -> None:
        with contextlib.suppress(DockerException, requests.RequestException):
            for found in self._engine.api.containers(all=True, filters=marked):
                _quietly(lambda found=found: self._engine.api.remove_container(found["Id"], force=True, v=True))
            for found in self._engine.api.networks(filters=marked):
                _quietly(lambda found=found: self._engine.api.remove_network(found["Id"]))


def _moment(text: str) -> float:
    """A time as the engine writes it; what cannot be read was made just now."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return math.inf


def _quietly(remove: Any) -> None:
    """What is gone already, or in use by somebody else, is not ours to complain about."""
    with contextlib.suppress(APIError, requests.RequestException):
        remove()
