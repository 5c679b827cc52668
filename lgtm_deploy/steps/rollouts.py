"""Looking at a rollout through the ports."""

from lgtm_deploy.core.ports import Ports
from lgtm_deploy.core.rollout import Rollout
from lgtm_deploy.core.stack import Service

# So many last log lines of a container that ended are shown.
_LINES = 5


def look_at(ports: Ports, service: Service, deployment: str, task_definition: str) -> Rollout:
    """The deployment, its service's desired count and the tasks of its task definition, with the last log lines of the
    one that stopped last. Raises TransientError when AWS does not answer."""
    state = ports.rollouts.deployment(deployment)
    desired = ports.host.service(service.ecs_service).desired
    tasks = tuple(
        task
        for task in ports.rollouts.tasks(service.ecs_service)
        if task.task_definition == task_definition
        and (
            task.created_at is None
            or state.created_at is None
            or task.status == "running"
            or task.created_at >= state.created_at
        )
    )
    seen = Rollout(service=service.name, desired=desired, container=service.container, deployment=state, tasks=tasks)
    if not seen.stopped:
        return seen
    last = seen.stopped[-1]
    lines = tuple(ports.rollouts.last_lines(last, service.container, _LINES))
    return Rollout(
        service=service.name,
        desired=desired,
        container=service.container,
        deployment=state,
        tasks=tasks,
        last_lines={last.arn: lines},
    )
