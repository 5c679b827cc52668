"""What gates watch of a rollout, and looking at it through the ports."""

from dataclasses import dataclass, replace

from lgtm_deploy.core.ports import DeploymentState, Ports, TaskState
from lgtm_deploy.core.rollout import Rollout
from lgtm_deploy.core.stack import Service

# So many last log lines of a container that ended are shown.
_LINES = 5


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The service deployment to watch, its task definition, and the digest that it has to run."""

    service: str
    deployment: str
    task_definition: str
    digest: str


def look_at(ports: Ports, service: Service, watched: Watched) -> Rollout:
    """The deployment, its tasks, and the last log lines of the one that stopped last.

    Raises TransientError when AWS does not answer.
    """
    state = ports.rollouts.deployment(watched.deployment)
    tasks = ports.rollouts.tasks(service.ecs_service)
    seen = Rollout(
        service=service.name,
        container=service.container,
        deployment=state,
        tasks=tuple(
            task for task in tasks if task.task_definition == watched.task_definition and _is_later(task, state)
        ),
    )
    if not seen.stopped:
        return seen
    last = seen.stopped[-1]
    return replace(seen, last_lines={last.arn: tuple(ports.rollouts.last_lines(last, service.container, _LINES))})


def _is_later(task: TaskState, deployment: DeploymentState) -> bool:
    """A forced deployment has the task definition of the one before it: only its later tasks are its own."""
    if task.created_at is None or deployment.created_at is None:
        return True
    return task.created_at >= deployment.created_at
