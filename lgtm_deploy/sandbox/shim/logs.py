"""Where does a container's output go, and has all of it arrived?"""

from __future__ import annotations

import logging
import threading
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import ecs

from .engine import streaming_client

log = logging.getLogger("shim.logs")


class MissingLogGroupError(Exception):
    """The task definition names a log group that does not exist and may not be created."""


class LogForwarder:
    """Forwards containers' output to CloudWatch Logs, line by line, until the last byte.

    MiniStack's own forwarder stops when a container is silent for as long as a Docker call may last, and splits
    lines at chunk borders.
    """

    def __init__(self) -> None:
        """Start with nothing to forward."""
        self._threads: dict[str, threading.Thread] = {}

    def install(self) -> None:
        """Put the replacement into MiniStack."""
        ecs._start_awslogs_forwarder = self.follow

    def follow(self, container: Any, definition: dict[str, Any], task_id: str) -> None:
        """Forward a container's output where its definition has the ``awslogs`` driver.

        Raises MissingLogGroupError with the words that ECS puts into ``stoppedReason``.
        """
        config = ecs._awslogs_config(definition, task_id, container.id)
        if not config:
            return
        account, region = get_account_id(), config["region"] or get_region()
        with request_scope(account, region):
            if not ecs._ensure_awslogs_stream(config):
                raise MissingLogGroupError(
                    "failed to validate logger args: create stream has been retried 1 times: failed to create "
                    f"Cloudwatch log stream: ResourceNotFoundException: The specified log group {config['group']} "
                    "does not exist. : exit status 1"
                )
        thread = threading.Thread(
            target=self._forward,
            args=(container.id, config, account, region),
            daemon=True,
            name=f"shim-logs-{task_id[:8]}",
        )
        self._threads[container.id] = thread
        thread.start()

    def drain(self, container: str, seconds: float = 30.0) -> None:
        """Wait until an ended container's output has all arrived; at most ``seconds``."""
        thread = self._threads.pop(container, None)
        if thread is not None:
            thread.join(timeout=seconds)

    def _forward(self, container: str, config: dict[str, Any], account: str, region: str) -> None:
        rest = b""
        with request_scope(account, region):
            try:
                for chunk in streaming_client().api.logs(container, stream=True, follow=True):
                    *lines, rest = (rest + chunk).split(b"\n")
                    _emit(config, lines)
                _emit(config, [rest] if rest else [])
            except Exception as error:
                log.warning("Output of container %s broke off: %s", container[:12], error)


def _emit(config: dict[str, Any], lines: list[bytes]) -> None:
    for line in lines:
        text = line.rstrip(b"\r").decode("utf-8", errors="replace")
        if text:
            ecs._emit_awslogs_event(config, text)
