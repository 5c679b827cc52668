"""How a task ended, and by whose doing."""

from collections.abc import Iterable, Sequence

from lgtm_deploy.core.log_excerpt import quoted
from lgtm_deploy.core.ports import ServiceEvent, TaskState
from lgtm_deploy.core.words import check_failure, joined

# AWS: ECS developer guide, "Stopped task error messages".
_NOT_PULLED = "CannotPullContainerError"
_OUT_OF_MEMORY = "OutOfMemory"
# 128 + SIGKILL: what the kernel, or ECS after its patience, ends a process with.
_KILLED = 137
# AWS: Task, stopCode: these are not the container's own doing.
_BY_ECS = ("ServiceSchedulerInitiated", "UserInitiated", "SpotInterruption", "TerminationNotice")


def ended_by_itself(task: TaskState, container: str) -> bool:
    """Whether the container ended and neither ECS nor a person had asked it to."""
    return task.exit_code_of(container) is not None and task.stop_code not in _BY_ECS


def is_not_pulled(task: TaskState) -> bool:
    """Whether the task ended because an image of it could not be pulled."""
    return any(_NOT_PULLED in reason for reason in _reasons(task))


def how_it_ended(
    task: TaskState,
    container: str,
    *,
    log: Sequence[str] = (),
    checked: str = "",
    events: Iterable[ServiceEvent] = (),
) -> str:
    """Exit code, AWS's reasons, what the load balancer's check on the path `checked` got, and what
    the log says."""
    code = task.exit_code_of(container)
    how = f"container {container} exited with code {code}" if code is not None else "a task stopped"
    reasons = list(dict.fromkeys(each.reason for each in task.containers if each.reason))
    if code == _KILLED and any(_OUT_OF_MEMORY in reason for reason in reasons):
        how = f"container {container} was killed for want of memory (exit code {code})"
    # AWS says no more than that an essential container has exited, which the exit code says better.
    why = "" if task.stop_code == "EssentialContainerExited" and code is not None else task.stopped_reason
    if "ELB health checks" in task.stopped_reason:
        asked = f"the load balancer asks {checked}" if checked else ""
        why = joined(why, asked, check_failure(events))
    if any(why in reason for reason in reasons):
        why = ""
    return joined(how, *reasons, why, quoted(log))


def _reasons(task: TaskState) -> list[str]:
    return [task.stopped_reason, *(container.reason for container in task.containers)]
