"""Which programs and versions have a stand-in, and how does each version treat a path prefix?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class PrefixBehaviour(Enum):
    """What `server.http_path_prefix` does in one version of a program."""

    MOVES_ALL = "every route moves, readiness too, and internal clients follow"
    LOSES_ROUTES = "no route answers but <prefix>/metrics"
    FALSE_GREEN = "every route moves, internal clients do not follow"


@dataclass(frozen=True, kw_only=True)
class Program:
    """How one program is installed in its vendor's image."""

    entrypoint: str
    uid: int
    port: int
    directories: tuple[str, ...]
    versions: Mapping[str, PrefixBehaviour]


_MOVES = PrefixBehaviour.MOVES_ALL

# Entry points and users: the vendors' Dockerfiles (cmd/<program>/Dockerfile; packaging/docker/run.sh for Grafana).
PROGRAMS: Mapping[str, Program] = {
    "grafana": Program(
        entrypoint="/run.sh",
        uid=472,
        port=3000,
        directories=("/var/lib/grafana", "/etc/grafana"),
        versions={"11.6.0": _MOVES, "12.0.2": _MOVES, "12.1.0": _MOVES},
    ),
    "loki": Program(
        entrypoint="/usr/bin/loki",
        uid=10001,
        port=3100,
        directories=("/loki",),
        versions={"3.4.2": _MOVES, "3.5.0": _MOVES, "3.5.1": _MOVES},
    ),
    "mimir": Program(
        entrypoint="/bin/mimir",
        uid=10001,
        port=8080,
        directories=("/data",),
        versions={"2.15.0": _MOVES, "2.16.0": _MOVES},
    ),
    # Seen on the real 2.9.0: from 2.4.0, routes are registered on the root router, but only the prefixed one is served.
    "tempo": Program(
        entrypoint="/tempo",
        uid=10001,
        port=3200,
        directories=("/var/tempo",),
        versions={
            "2.2.4": _MOVES,
            "2.3.0": _MOVES,
            "2.3.1": _MOVES,
            "2.4.0": PrefixBehaviour.LOSES_ROUTES,
            "2.8.2": PrefixBehaviour.LOSES_ROUTES,
            "2.9.0": PrefixBehaviour.LOSES_ROUTES,
        },
    ),
    # 1.x dials its ring over the HTTP routes; 2.x with `architecture_storage: v2` over gRPC only (docs/adr/010).
    "pyroscope": Program(
        entrypoint="/usr/bin/pyroscope",
        uid=10001,
        port=4040,
        directories=("/data",),
        versions={
            "1.13.4": PrefixBehaviour.FALSE_GREEN,
            "1.13.5": PrefixBehaviour.FALSE_GREEN,
            "2.0.3": _MOVES,
            "2.0.4": _MOVES,
        },
    ),
}

# The versions whose answers are in `recordings/`.
_RECORDED: Mapping[str, tuple[str, ...]] = {
    "loki": ("3.5.1",),
    "mimir": ("2.16.0",),
    "pyroscope": ("1.13.5", "2.0.4"),
    "tempo": ("2.3.1", "2.9.0", "3.0.3"),
}


def is_recorded(service: str, version: str) -> bool:
    """Return whether the answers of this version come from recordings. Grafana has none."""
    return version in _RECORDED.get(service, ())
