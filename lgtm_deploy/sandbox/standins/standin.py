"""A stand-in of Tempo, Loki, Mimir or Pyroscope."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from . import logs, metrics, profiles, traces
from .course import Course, course_of
from .listener import Answer, Request, Response, hanging
from .player import NewStore, Player, ask, keep
from .recordings import load
from .rules import Settings

STORES: Mapping[str, NewStore] = {
    "tempo": traces.TraceStore,
    "loki": logs.LogStore,
    "mimir": metrics.MetricStore,
    "pyroscope": profiles.ProfileStore,
}


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A port and what answers there."""

    port: int
    answer: Answer


class StandIn:
    """One started server: it answers requests, whoever brings them."""

    def __init__(
        self,
        service: str,
        version: str,
        config: Mapping[str, Any],
        *,
        factor: float = 1.0,
        private_address: bool = True,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        recordings = load(service, version)
        self._port = int((config.get("server") or {}).get("http_listen_port") or recordings[0].source["port"])
        self._settings = Settings.of(service, version, config)
        self._store = STORES[service](version, config)
        self._recordings = recordings
        self.course: Course = course_of(recordings, config, private_address=private_address)
        self._factor, self._clock, self._wall = factor, clock, wall
        self._started = clock()
        self._lock = threading.Lock()
        self._searched = False
        self.listeners = [Listener(port=self._port, answer=self.answer)]
        if otlp := _otlp_port(config) if service == "tempo" else 0:
            # The receiver never moves ([run], `OTLP: POST /tempo/v1/traces`).
            self.listeners.append(Listener(port=otlp, answer=lambda request: self._answer(request, OTLP_PORT)))

    def answer(self, request: Request) -> Response:
        """Answer a request on the main port."""
        if self.course.instead:
            return self.course.instead
        path = self._settings.locate(request.path)
        return path if isinstance(path, Response) else self._answer(replace(request, path=path), None)

    def stop_after(self) -> float | None:
        """Return how many seconds SIGTERM takes; None where the process does not end."""
        # tempo-2.9.0-stop-after-one-search, tempo-3.0.3-stop-after-a-round-trip.
        if self._searched and self._settings.service == "tempo" and self._settings.version != "2.3.1":
            return None
        # [run] Pyroscope 1.13.5 under a prefix: 30 s while a query hangs.
        return (30.0 if hanging else self.course.stop_after) / self._factor

    @cached_property
    def player(self) -> Player:
        """The recordings, read at the first request, or before it in a thread of its own."""
        return Player(self._recordings, self._settings, STORES[self._settings.service])

    def _answer(self, request: Request, port: int | None) -> Response:
        at = (self._clock() - self._started) * self._factor
        if (request.method, request.path, port) == ("GET", "/ready", None):
            return self.course.readiness(at)
        with self._lock:
            asked = ask(request, port, self._settings, at=at, now=self._wall(), early=self.course.is_early(at))
            view = self._store.view(request, asked.tenants, at, asked.now) if asked.tenants else None
            response = self.player.play(asked, view)
            if request.path == "/ready" and port is None and response.status == 200:  # noqa: PLR2004
                probe = self.course.readiness(at)
                response = probe if probe.status != 200 else response  # noqa: PLR2004
            keep(self._store, asked, response)
            self._searched |= "/search" in request.path and response.status == 200  # noqa: PLR2004
        return replace(response, delay=response.delay / self._factor)


OTLP_PORT = 4318


def _otlp_port(config: Mapping[str, Any]) -> int:
    found: Any = config
    for name in ("distributor", "receivers", "otlp", "protocols"):
        found = (found or {}).get(name)
    if "http" not in (found or {}):
        return 0
    return int(str((found["http"] or {}).get("endpoint") or OTLP_PORT).rpartition(":")[2])
