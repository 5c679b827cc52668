"""What time it is."""

import time
from datetime import UTC, datetime

# CLOCK_MONOTONIC stands while a machine is in standby: a lease that ran out meanwhile would seem to last.
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine was started, its standby included; the same for all its processes."""
        return time.clock_gettime(_SINCE_BOOT)
