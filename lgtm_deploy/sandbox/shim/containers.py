"""How is each of this sandbox's containers doing, as the Docker engine sees it?"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from .engine import streaming_client
from .settings import SANDBOX_LABEL, Settings

log = logging.getLogger("shim.containers")
RESYNC_SECONDS = 5.0
RECONNECT_SECONDS = 0.5
KILLED = 137


@dataclass(frozen=True, kw_only=True)
class ContainerState:
    """What the engine last said of one container; ``health`` in Docker's words."""

    running: bool
    exit_code: int | None = None
    health: str | None = None


class Containers:
    """Follows the engine's events, and lists the containers every few seconds in case one was missed."""

    def __init__(self, settings: Settings) -> None:
        """Watch the containers that bear this sandbox's label."""
        self._filters = {"label": f"{SANDBOX_LABEL}={settings.name}"}
        self._states: dict[str, ContainerState] = {}
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to watch in threads of their own."""
        threading.Thread(target=self._follow, daemon=True, name="shim-docker-events").start()
        threading.Thread(target=self._resync, daemon=True, name="shim-docker-list").start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def state_of(self, container: str) -> ContainerState:
        """The last known state; a container not seen yet counts as running."""
        return self._states.get(container, ContainerState(running=True))

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                for event in streaming_client().events(decode=True, filters={"type": "container", **self._filters}):
                    self._note(event)
            except Exception as error:
                log.warning("Docker events broke off (%s); following them again.", error)
                time.sleep(RECONNECT_SECONDS)

    def _note(self, event: dict[str, Any]) -> None:
        action, container = str(event.get("Action", "")), str(event.get("id", ""))
        attributes = (event.get("Actor") or {}).get("Attributes") or {}
        if action == "die":
            self._states[container] = ContainerState(running=False, exit_code=int(attributes.get("exitCode", 0)))
        elif action == "start":
            self._states[container] = ContainerState(running=True)
        elif action.startswith("health_status"):
            self._states[container] = ContainerState(running=True, health=action.partition(": ")[2])
        elif action == "destroy" and self.state_of(container).running:
            # Removed from outside: it may have gone before anyone saw it die.
            self._states[container] = ContainerState(running=False, exit_code=KILLED)

    def _resync(self) -> None:
        while not self._stopping.wait(RESYNC_SECONDS):
            try:
                listed = streaming_client().containers.list(all=True, sparse=True, filters=self._filters)
                for container in listed:
                    if container.attrs.get("State") in {"exited", "dead"} and self.state_of(container.id).running:
                        code = streaming_client().api.inspect_container(container.id)["State"]["ExitCode"]
                        self._states[container.id] = ContainerState(running=False, exit_code=int(code))
            except Exception as error:
                log.warning("Listing containers failed (%s); trying again.", error)
