"""The programs and versions that have a stand-in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .recordings import folder

_NAME = re.compile(r"([a-z]+)-(\d+\.\d+\.\d+)-")


@dataclass(frozen=True, kw_only=True)
class Program:
    """The place of one program in its vendor's image."""

    entrypoint: str
    port: int
    directories: tuple[str, ...]
    versions: tuple[str, ...]
    uid: int = 10001
    roots: tuple[str, ...] = ()
    """Versions whose image runs as root."""
    tools: tuple[str, ...] = ()
    """Programs in the image beside the server, for container health checks; each is a function of `http_tools`."""
    has_shell: bool = False

    def user(self, version: str) -> int:
        """Return the number of the user that a version's image runs as."""
        return 0 if version in self.roots else self.uid


def is_recorded(service: str, version: str) -> bool:
    """Return whether the stand-in of a version answers from recordings. Grafana's and Alloy's never do."""
    return version in _recorded(service)


def _recorded(service: str) -> tuple[str, ...]:
    found = {match[2] for path in folder().glob(f"{service}-*.json") if (match := _NAME.match(path.name))}
    return tuple(sorted(found, key=lambda version: [int(part) for part in version.split(".")]))


# Entry points and users: the vendors' Dockerfiles (cmd/<program>/Dockerfile; packaging/docker/run.sh for Grafana;
# Dockerfile for Alloy).
PROGRAMS: Mapping[str, Program] = {
    "grafana": Program(
        entrypoint="/run.sh",
        uid=472,
        port=3000,
        directories=("/var/lib/grafana", "/etc/grafana"),
        versions=("11.6.0", "12.0.2", "12.1.0"),
        # Alpine Linux: bash, curl and BusyBox (Dockerfile).
        tools=("curl", "wget"),
        has_shell=True,
    ),
    "alloy": Program(
        entrypoint="/bin/alloy",
        port=12345,
        directories=("/etc/alloy", "/var/lib/alloy"),
        versions=("v1.8.3", "v1.9.2", "v1.10.2"),
        uid=0,
    ),
    "loki": Program(
        entrypoint="/usr/bin/loki",
        port=3100,
        directories=("/loki",),
        versions=_recorded("loki"),
    ),
    "mimir": Program(
        entrypoint="/bin/mimir",
        port=8080,
        directories=("/data",),
        versions=_recorded("mimir"),
    ),
    "tempo": Program(
        entrypoint="/tempo",
        port=3200,
        directories=("/var/tempo",),
        versions=_recorded("tempo"),
        # [run] 2.9.0's image runs as uid 10001, 2.3.1's as root.
        roots=("2.3.1",),
    ),
    "pyroscope": Program(
        entrypoint="/usr/bin/pyroscope",
        port=4040,
        directories=("/data",),
        versions=_recorded("pyroscope"),
    ),
}
