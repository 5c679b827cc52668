"""Which tasks should a service start and stop now, and is its deployment complete?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """Where a task is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True, kw_only=True)
class TaskView:
    """A task that is not stopped yet; ``healthy`` in every target group and as containers."""

    arn: str
    deployment: str | None
    phase: Phase
    healthy: bool
    created: float


@dataclass(frozen=True, kw_only=True)
class ServiceView:
    """A service with a rolling deployment; ``primary_failed`` where the breaker tripped without a rollback."""

    desired: int
    minimum_percent: int
    maximum_percent: int
    primary: str
    primary_failed: bool
    tasks: Sequence[TaskView]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the scheduler does next; ``blocked`` where the deployment configuration lets it do nothing, ever."""

    start: int = 0
    stop: tuple[str, ...] = ()
    settled: bool = False
    blocked: bool = False


def decide(service: ServiceView) -> Decision:
    """Decide as the ECS rolling scheduler does.

    Old tasks stay until enough new ones are healthy; the deployment is settled when the last old one is gone. A
    deployment limit below two full sets frees room by stopping old tasks down to the minimum healthy percent
    (AWS: DeploymentConfiguration, minimumHealthyPercent and maximumPercent).
    """
    alive = [task for task in service.tasks if task.phase is not Phase.STOPPING]
    new = [task for task in alive if task.deployment == service.primary]
    old = [task for task in alive if task.deployment != service.primary]
    if service.primary_failed:
        return Decision(stop=tuple(task.arn for task in new))
    missing = service.desired - len(new)
    if missing < 0:
        return Decision(stop=_surplus(new, -missing))
    healthy_new = sum(task.healthy for task in new)
    if healthy_new >= service.desired:
        leaving = any(task.deployment != service.primary for task in service.tasks)
        return Decision(stop=tuple(task.arn for task in old), settled=not leaving)
    if missing == 0:
        return Decision()
    room = max(1, service.desired * service.maximum_percent // 100) - len(alive)
    start, stop = max(0, min(missing, room)), _make_room(service, alive, old, missing - room)
    # A new task that becomes healthy lets an old one go, and one that is stopping is about to leave.
    waiting = healthy_new < len(new) or len(alive) < len(service.tasks)
    return Decision(start=start, stop=stop, blocked=not (start or stop or waiting))


def _surplus(new: Sequence[TaskView], count: int) -> tuple[str, ...]:
    ranked = sorted(new, key=lambda task: (task.healthy, -task.created))
    return tuple(task.arn for task in ranked[:count])


def _make_room(
    service: ServiceView, alive: Sequence[TaskView], old: Sequence[TaskView], wanted: int
) -> tuple[str, ...]:
    if wanted <= 0:
        return ()
    spare = sum(task.healthy for task in alive) - math.ceil(service.desired * service.minimum_percent / 100)
    unhealthy = [task.arn for task in old if not task.healthy]
    # The youngest first: the oldest deployment is what a rollback returns to.
    healthy = [task.arn for task in sorted(old, key=lambda task: -task.created) if task.healthy]
    return tuple((unhealthy + healthy[: max(0, spare)])[:wanted])


def breaker_threshold(desired: int) -> int:
    """Failed tasks that trip the circuit breaker: half the desired count, between 3 and 200.

    AWS: deployment-circuit-breaker, "Failure threshold".
    """
    return min(200, max(3, math.ceil(desired * 0.5)))


def restart_delay(failures: int) -> float:
    """Seconds to wait before the next task after consecutive failures; the first retries are quick.

    AWS throttles restarts "by lengthening the time between restart attempts" (service throttle logic); the
    figures here are this sandbox's, and milder.
    """
    return 0.0 if failures <= 1 else min(15.0, 0.5 * 2.0 ** (failures - 2))
