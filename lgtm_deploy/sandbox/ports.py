"""Which ports does a sandbox answer on?"""

import random
import socket
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox.files import locked, read_json, write_json
from lgtm_deploy.sandbox.home import Home, Place

# Below the range that Linux gives to outgoing connections (32768 and up), so that nobody takes a port in between.
FIRST = 20_000
LAST = 32_000
LOOPBACK = "127.0.0.1"
_TRIES = 200


@dataclass(frozen=True, kw_only=True)
class SandboxPorts:
    """The AWS endpoint's port (the registry's too), and the load balancer's front door."""

    gateway: int
    balancer: int


def ports_for(home: Home, place: Place, progress: Progress) -> SandboxPorts:
    """The sandbox's own ports: those it had last where they are free, else new ones that no sandbox of this home has.

    Raises TransientError when no free port can be found.
    """
    with locked(home.path / "ports.lock", progress):
        mine = _remembered(place)
        if mine and is_free(mine.gateway) and is_free(mine.balancer):
            return mine
        taken = [each for each in map(_remembered, home.places()) if each]
        used = {port for each in taken for port in (each.gateway, each.balancer)}
        gateway = free_port(used)
        ports = SandboxPorts(gateway=gateway, balancer=free_port({*used, gateway}))
        write_json(place.ports, asdict(ports))
        return ports


def free_port(used: Collection[int]) -> int:
    """A port on the loopback address that nobody listens on and that is not in `used`."""
    for _ in range(_TRIES):
        port = random.randint(FIRST, LAST)  # noqa: S311 - any free port will do
        if port not in used and is_free(port):
            return port
    raise TransientError(f"No free port between {FIRST} and {LAST} on {LOOPBACK}.", resolution="Try again.")


def is_free(port: int) -> bool:
    """Whether a server could listen on that port of the loopback address."""
    with socket.socket() as probe:
        # As servers do: a connection that is still closing does not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _remembered(place: Place) -> SandboxPorts | None:
    found: Any = read_json(place.ports)
    try:
        return SandboxPorts(gateway=int(found["gateway"]), balancer=int(found["balancer"]))
    except (TypeError, KeyError, ValueError):
        return None
