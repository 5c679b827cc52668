"""What a look at a rollout means: the tasks of a deployment, why they fail, and whether it is still ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lgtm_deploy.core.gate import Shut
from lgtm_deploy.core.ports import DeploymentState, TaskState

# A container that ends by itself twice does so for a reason of its own: waiting for the circuit breaker's third time
# would only cost minutes.
EXITS_ENOUGH = 2

_ROLLED_BACK = ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One look: the service deployment, the tasks of its task definition, and the last log lines of those that ended
    (by task ARN)."""

    service: str
    container: str
    deployment: DeploymentState
    tasks: tuple[TaskState, ...]
    last_lines: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def running(self) -> tuple[TaskState, ...]:
        """Tasks that run."""
        return tuple(task for task in self.tasks if task.status == "running")

    @property
    def stopped(self) -> tuple[TaskState, ...]:
        """Tasks that have stopped, the latest last."""
        ended = [task for task in self.tasks if task.status == "stopped"]
        return tuple(sorted(ended, key=lambda task: task.stopped_at.timestamp() if task.stopped_at else 0.0))


def failure(seen: Rollout, *, digest: str) -> Shut | None:
    """Why this rollout cannot succeed any more, or None while it can.

    It is judged by the service deployment (AWS: DescribeServiceDeployments): a service is "stable" after a rollback,
    too, and a deployment that a newer one replaced is STOPPED, not failed.
    """
    deployment = seen.deployment
    if deployment.status in _ROLLED_BACK:
        why = deployment.reason or "its circuit breaker tripped"
        return Shut(reason=f"{seen.service}: ECS rolled the deployment back: {_joined(why, last_end(seen))}")
    running = deployment.digests.get(seen.container, "")
    if digest and running and running != digest:
        return Shut(
            reason=f"{seen.service}: the deployment runs {_short(running)} and not {_short(digest)}: "
            "its task definition names another image"
        )
    if deployment.status in ("STOPPED", "STOP_REQUESTED"):
        why = deployment.reason or "a newer deployment replaced it"
        return Shut(reason=f"{seen.service}: the deployment was stopped: {why}", kind="superseded")
    exits = [
        task for task in seen.stopped if _exit_code(task, seen.container) is not None and not _stopped_by_ecs(task)
    ]
    if len(exits) >= EXITS_ENOUGH:
        return Shut(reason=f"{seen.service}: {last_end(seen)}; it ended {len(exits)} times")
    return None


def last_end(seen: Rollout) -> str:
    """How the latest stopped task ended: exit code, AWS's reason, and its last log lines; empty when none has."""
    if not seen.stopped:
        return ""
    task = seen.stopped[-1]
    code = _exit_code(task, seen.container)
    said = " | ".join(line.strip() for line in seen.last_lines.get(task.arn, ()) if line.strip())
    reasons = [container.reason for container in task.containers if container.reason]
    how = f"container {seen.container} exited with code {code}" if code is not None else "a task stopped"
    # AWS says no more than that an essential container has exited, which the exit code says better.
    why = "" if task.stop_code == "EssentialContainerExited" and code is not None else task.stopped_reason
    return _joined(how, *reasons, why, f"last log lines: {said}" if said else "")


def all_running(seen: Rollout) -> bool:
    """Whether as many new tasks run as the deployment is to have; a deployment that has not begun has none to show."""
    wanted = seen.deployment.desired
    return len(seen.running) >= wanted if wanted else seen.deployment.status == "SUCCESSFUL"


def waiting(seen: Rollout) -> str:
    """What the rollout is waiting for, in a few words, with how often tasks failed."""
    found = f"{len(seen.running)}/{seen.deployment.desired} new tasks running"
    failed = seen.deployment.failed_tasks
    if failed:
        found += f", {failed} of {seen.deployment.failure_threshold} failures until ECS rolls back"
    return _joined(found, last_end(seen))


def _exit_code(task: TaskState, container: str) -> int | None:
    return next((each.exit_code for each in task.containers if each.name == container), None)


def _stopped_by_ecs(task: TaskState) -> bool:
    return task.stop_code in ("ServiceSchedulerInitiated", "UserInitiated")


def _joined(*parts: str) -> str:
    return ": ".join(part for part in parts if part)


def _short(digest: str) -> str:
    return digest[:19]
