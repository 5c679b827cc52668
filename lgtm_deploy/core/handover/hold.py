"""How long does a grace period have to be held, and when?"""

from datetime import datetime

from lgtm_deploy.core.handover.checks import until_healthy, until_unhealthy
from lgtm_deploy.core.ports import HealthCheck

# Added to a hold so that a slow clock or a late release costs nothing, in seconds.
HOLD_MARGIN = 300
# How long a handover may take, in seconds: tasks that start, Terraform, and targets that become healthy.
HANDOVER_WINDOW = 1800


def hold_seconds(*, now: datetime, oldest_start: datetime | None, window: int) -> int:
    """The grace period, in seconds, that keeps ECS from stopping any task on account of its load balancer's checks
    for `window` seconds from now.

    ECS ignores unhealthy results from a task's own start for the length of the grace period (ECS API reference,
    CreateService, healthCheckGracePeriodSeconds). The flip makes the *old* task fail its check, so the hold must
    outlast the age of the oldest task too, not only the start of the new one.
    """
    age = max(0, int((now - oldest_start).total_seconds())) if oldest_start else 0
    return age + window + HOLD_MARGIN


def kills_before_ready(check: HealthCheck, *, ready_seconds: float, grace_period: int) -> bool:
    """Whether ECS may stop a new task that would have become healthy, had it been left alone.

    While it gets ready the task fails its checks; with enough of them it is marked unhealthy, and then needs the whole
    healthy threshold. One interval is added to `ready_seconds`, which were measured on another machine.
    """
    ready = ready_seconds + check.interval
    if ready <= until_unhealthy(check).earliest:
        return False
    return grace_period < ready + until_healthy(check, marked=True).latest
