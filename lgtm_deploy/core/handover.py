"""How a service is carried from one health-check path to another without a gap."""

from datetime import datetime

# Added to a hold so that a slow clock or a late release costs nothing, in seconds.
HOLD_MARGIN = 300


def hold_seconds(*, now: datetime, oldest_start: datetime | None, window: int) -> int:
    """The grace period, in seconds, that keeps ECS from stopping any task on account of its load balancer's checks
    for `window` seconds from now.

    ECS ignores unhealthy results from a task's own start for the length of the grace period (ECS API reference,
    CreateService, healthCheckGracePeriodSeconds). The flip makes the *old* task fail its check, so the hold must
    outlast the age of the oldest task too, not only the start of the new one.
    """
    age = max(0, int((now - oldest_start).total_seconds())) if oldest_start else 0
    return age + window + HOLD_MARGIN
