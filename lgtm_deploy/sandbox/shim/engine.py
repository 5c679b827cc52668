"""The Docker engine, asked by the shim for as long as it takes."""

from __future__ import annotations

import threading
from typing import Any

import docker

# Events and logs are silent for long: no ordinary read timeout may cut them.
STREAM_TIMEOUT_SECONDS = 3600

_lock = threading.Lock()
_clients: list[Any] = []


def streaming_client() -> Any:
    """The one client for event and log streams; connects on first use."""
    with _lock:
        if not _clients:
            _clients.append(docker.from_env(timeout=STREAM_TIMEOUT_SECONDS))
        return _clients[0]
