"""When is a stand-in ready? Some seconds after somebody first asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

from .listener import Request, Response, text

# dskit's lifecycler holds readiness for 15 s, counted from the first probe (run against Tempo 2.9.0).
DEFAULT_SECONDS = 15.0


class Readiness:
    """The clock that the first probe starts."""

    def __init__(self, seconds: float | None = None, now: Callable[[], float] = time.monotonic) -> None:
        configured = float(os.environ.get("STANDIN_READY_SECONDS", DEFAULT_SECONDS))
        self._seconds = configured if seconds is None else seconds
        self._now = now
        self._first_probe: float | None = None
        self._lock = threading.Lock()

    def answer(self, _: Request) -> Response:
        """503 for the first probe and until the clock has run out, then 200 `ready`."""
        with self._lock:
            now = self._now()
            if self._first_probe is None:
                self._first_probe = now
                return text("Some services are not Running:\nStarting: 1\n", 503)
            if now - self._first_probe < self._seconds:
                return text(f"Ingester not ready: waiting for {self._seconds:g}s after being ready\n", 503)
        return text("ready\n")
