"""How does an engine of our own get a network bridge that is nobody else's?

Two engines on one machine would both hand out the addresses of `docker0`. This one makes its own bridge, by the
kernel's calls, since a small machine may have no `ip` command.
"""

import fcntl
import socket
import struct
from pathlib import Path

# linux/sockios.h
_ADD_BRIDGE = 0x89A0
_DELETE_BRIDGE = 0x89A1
_GET_FLAGS = 0x8913
_SET_FLAGS = 0x8914
_UP = 0x1
_REQUEST = "16sH14x"

INTERFACES = Path("/sys/class/net")
"""The machine's network interfaces. An engine that starts takes addresses that none of them has, so one starts at a
time: whoever starts one locks this folder until it answers."""


def exists(name: str) -> bool:
    """Whether the machine has a network interface of that name."""
    return (INTERFACES / name).exists()


def create(name: str) -> None:
    """Makes the bridge, unless it is there. Raises OSError (not root, no bridge support)."""
    if not exists(name):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _ADD_BRIDGE, name.encode() + b"\0")


def delete(name: str) -> None:
    """Takes the bridge down and away, if it is there. Raises OSError."""
    if not exists(name):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, _GET_FLAGS, struct.pack(_REQUEST, name.encode(), 0))
        flags: int = struct.unpack(_REQUEST, answer)[1]
        fcntl.ioctl(control, _SET_FLAGS, struct.pack(_REQUEST, name.encode(), flags & ~_UP))
        fcntl.ioctl(control, _DELETE_BRIDGE, name.encode() + b"\0")
