"""What a look at a rollout means: the tasks of a deployment, why they fail, and whether it is still ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lgtm_deploy.core.ends import ended_by_itself, how_it_ended, is_not_pulled
from lgtm_deploy.core.gate import Shut
from lgtm_deploy.core.ports import DeploymentState, ServiceEvent, TaskState
from lgtm_deploy.core.words import joined, trouble

# A container that ends by itself twice, or an image that is not pulled twice, has a reason of its own: waiting for the
# circuit breaker's third time would only cost minutes.
EXITS_ENOUGH = 2
PULLS_ENOUGH = 2

_ROLLED_BACK = ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
_STOPPED = ("STOPPED", "STOP_REQUESTED")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One look: the service deployment, the tasks of its task definition, and the log lines that explain why tasks
    ended (by task ARN).

    Where something is amiss there is more: `newest` is the ARN of the service's newest deployment (empty: not asked),
    `events` are what ECS has told since this one began, newest first, and `checked` is the path that the load balancer
    asks (empty: not asked).

    `desired` is the service's desired count at this look, which autoscaling may change at any time; None: as the
    deployment says. `essential_checks` are the essential containers that have a container health check.
    """

    service: str
    container: str
    deployment: DeploymentState
    tasks: tuple[TaskState, ...]
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    newest: str = ""
    events: tuple[ServiceEvent, ...] = ()
    checked: str = ""
    desired: int | None = None
    essential_checks: tuple[str, ...] = ()

    @property
    def wanted(self) -> int:
        """Return how many tasks are to run."""
        return self.deployment.desired if self.desired is None else self.desired

    @property
    def running(self) -> tuple[TaskState, ...]:
        """Tasks that run."""
        return tuple(task for task in self.tasks if task.status == "running")

    @property
    def stopped(self) -> tuple[TaskState, ...]:
        """Tasks that have stopped, the latest last."""
        ended = [task for task in self.tasks if task.status == "stopped"]
        return tuple(sorted(ended, key=lambda task: task.stopped_at.timestamp() if task.stopped_at else 0.0))

    @property
    def is_replaced(self) -> bool:
        """Whether another deployment of the service has begun since."""
        return self.newest not in ("", self.deployment.arn)


def failure(seen: Rollout, *, digest: str) -> Shut | None:
    """Why this rollout cannot succeed any more, or None while it can. With an empty `digest` any image may run.

    It is judged by the service deployment (AWS: DescribeServiceDeployments): a service is "stable" after a rollback,
    too, and a deployment that a newer one replaced is STOPPED, or stays SUCCESSFUL although nothing of it runs.
    """
    deployment = seen.deployment
    if deployment.status in _ROLLED_BACK:
        why = deployment.reason or "its circuit breaker tripped"
        return Shut(reason=f"{seen.service}: ECS rolled the deployment back: {joined(why, last_end(seen))}")
    if (other := _other_image(seen, digest)) is not None:
        return other
    if seen.is_replaced or (deployment.status in _STOPPED and not seen.newest):
        by = f"deployment {seen.newest.rpartition('/')[2]}" if seen.newest else "a newer deployment"
        return Shut(reason=f"{seen.service}: the deployment was stopped: {by} replaced it", kind="superseded")
    if deployment.status in _STOPPED:
        why = joined(deployment.reason, last_end(seen))
        return Shut(reason=f"{seen.service}: the deployment was stopped, and nothing replaced it: {why}")
    for ends, enough in ((_exits(seen), EXITS_ENOUGH), (_unpulled(seen), PULLS_ENOUGH)):
        if len(ends) >= enough:
            return Shut(reason=f"{seen.service}: {_told(seen, ends[-1])}; it ended {len(ends)} times")
    return None


def last_end(seen: Rollout) -> str:
    """How the latest stopped task ended: exit code, AWS's reason, and what its log says; empty when none has."""
    return _told(seen, seen.stopped[-1]) if seen.stopped else ""


def all_running(seen: Rollout) -> bool:
    """Return whether as many new tasks run as the service is to have. None at all is never enough: nothing shows then
    whether the new image works."""
    return 0 < seen.wanted <= len(seen.running)


def not_healthy(seen: Rollout) -> str:
    """Return what health checks of essential containers have against a new task; empty: nothing, or there are none.

    The health of the whole task stays unknown where an essential container has no health check (AWS: ECS developer
    guide, task health). So each container is judged by its own.
    """
    for task in seen.running:
        for name in seen.essential_checks:
            if (health := task.health_of(name)) != "healthy":
                where = task.address or task.arn.rpartition("/")[2]
                return f"task {where}, container {name}: container health check {health}"
    return ""


def waiting(seen: Rollout) -> str:
    """What the rollout is waiting for, in a few words: how often tasks failed and why, and what keeps ECS from starting
    more of them."""
    if seen.wanted == 0:
        return "the service's desired count is 0: scale it up, no task can show that the new image works"
    found = f"{len(seen.running)}/{seen.wanted} new tasks running"
    failed = seen.deployment.failed_tasks
    if failed:
        found += f", {failed} of {seen.deployment.failure_threshold} failures until ECS rolls back"
    return joined(found, last_end(seen), trouble(seen.events))


def _other_image(seen: Rollout, digest: str) -> Shut | None:
    """The deployment, or a task of it that runs, has another image than the one that was pushed."""
    ours = [task.digest_of(seen.container) for task in seen.running]
    runs = seen.deployment.digests.get(seen.container, "") or next((each for each in ours if each), "")
    if not digest or not runs or runs == digest:
        return None
    return Shut(
        reason=f"{seen.service}: the deployment runs {_short(runs)} and not {_short(digest)}: "
        "its task definition names another image"
    )


def _exits(seen: Rollout) -> list[TaskState]:
    return [task for task in seen.stopped if ended_by_itself(task, seen.container)]


def _unpulled(seen: Rollout) -> list[TaskState]:
    return [task for task in seen.stopped if is_not_pulled(task)]


def _told(seen: Rollout, task: TaskState) -> str:
    log = seen.logs.get(task.arn, ())
    return how_it_ended(task, seen.container, log=log, checked=seen.checked, events=seen.events)


def _short(digest: str) -> str:
    return digest[:19]
