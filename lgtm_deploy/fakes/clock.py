"""What time it is where nothing has to be waited for."""

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 16, tzinfo=UTC)


class FakeClock:
    """A clock that stands until it is advanced; safe to share between threads."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._seconds = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return self.at(self.monotonic())

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        with self._lock:
            return self._seconds

    def advance(self, seconds: float) -> None:
        """Lets so much time pass; in place of a sleep."""
        with self._lock:
            self._seconds += max(0.0, seconds)

    def at(self, seconds: float) -> datetime:
        """The time of day when `monotonic` said `seconds`."""
        return self._start + timedelta(seconds=seconds)
