"""What is a running stand-in? Its listeners, made from a version and a config file that fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .catalogue import PrefixBehaviour
from .listener import Request, Response, Routes, document, text
from .readiness import Readiness
from .strict_yaml import Section


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a program is started with."""

    version: str
    prefix_behaviour: PrefixBehaviour
    config: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port and what answers there."""

    port: int
    routes: Routes


@dataclass(frozen=True, kw_only=True)
class Running:
    """What a started program listens on, and what it does beside answering."""

    listeners: tuple[Listener, ...]
    background: tuple[Callable[[], None], ...] = field(default=())


class StartError(Exception):
    """The program does not start, for the reason that it logs; it exits with code 1."""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """How a program reads its config file, words its refusal, and starts."""

    shape: Callable[[str], Section]
    refusal: str
    start: Callable[[Start], Running]


def block(config: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """A nested block of the config, empty where the file does not have it."""
    found: Any = config
    for name in names:
        found = (found or {}).get(name)
    return found or {}


def listen_port(config: Mapping[str, Any], default: int) -> int:
    """`server.http_listen_port`."""
    return int(block(config, "server").get("http_listen_port") or default)


def path_prefix(config: Mapping[str, Any]) -> str:
    """`server.http_path_prefix`, without a closing slash."""
    return str(block(config, "server").get("http_path_prefix") or "").rstrip("/")


def add_operations(
    routes: Routes, program: str, version: str, *, prefix: str = "", ready: Readiness | None = None
) -> None:
    """Add the routes that all of these programs have: readiness, metrics, build information."""

    def metrics(_: Request) -> Response:
        return text(f'# TYPE {program}_build_info gauge\n{program}_build_info{{version="{version}"}} 1\n')

    routes.add("GET", f"{prefix}/ready", (ready or Readiness()).answer)
    routes.add("GET", f"{prefix}/metrics", metrics)


def build_info(version: str) -> Callable[[Request], Response]:
    """The Prometheus-style answer of `…/status/buildinfo`."""
    content = {
        "status": "success",
        "data": {"version": version, "revision": "standin", "branch": "HEAD", "goVersion": "-"},
    }
    return lambda _: document(content)
