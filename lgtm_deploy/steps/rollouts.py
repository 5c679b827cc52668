"""What gates watch of a rollout, and looking at it through the ports."""

from dataclasses import dataclass, replace

from lgtm_deploy.core.log_excerpt import LINES_READ, excerpt
from lgtm_deploy.core.ports import (
    DeploymentState,
    RolloutPorts,
    RolloutView,
    ServiceState,
    TaskState,
)
from lgtm_deploy.core.rollout import Rollout, all_running
from lgtm_deploy.core.stack import Service
from lgtm_deploy.steps.results import Deployment

_UNDER_WAY = ("PENDING", "IN_PROGRESS")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """`deployed` is the service deployment to watch."""

    deployed: Deployment

    @property
    def service(self) -> str:
        """Its name in the stack file."""
        return self.deployed.service

    @property
    def deployment(self) -> str:
        """The ARN."""
        return self.deployed.deployment

    @property
    def task_definition(self) -> str:
        """The revision of the new tasks."""
        return self.deployed.task_definition

    @property
    def digest(self) -> str:
        """The digest that the new tasks must run."""
        return self.deployed.digest


def look_at(ports: RolloutPorts, service: Service, watched: Watched) -> Rollout:
    """The deployment, its tasks and, where it is not as it should be, what says why: the log lines that explain why the
    last task stopped, the service's events, its newest deployment, and the path that the load balancer asks.

    Raises TransientError when AWS does not answer.
    """
    state = ports.rollouts.deployment(watched.deployment)
    # At each look: autoscaling changes the desired count during a rollout, too.
    now = ports.host.service(service.ecs_service)
    tasks = ports.rollouts.tasks(service.ecs_service)
    seen = Rollout(
        service=service.name,
        container=service.container,
        deployment=state,
        tasks=tuple(
            task for task in tasks if task.task_definition == watched.task_definition and is_later(task, state)
        ),
        desired=now.desired,
        essential_checks=now.essential_checks,
    )
    if state.status in _UNDER_WAY and all_running(seen) and not seen.stopped:
        return seen
    # Also where all seems well: that a deployment was successful says nothing when a newer one has begun since.
    events = tuple(each for each in now.events if state.created_at is None or each.at >= state.created_at)
    seen = replace(seen, newest=_newest(ports, now.deployment, state), events=events)
    if not seen.stopped:
        return seen
    last = seen.stopped[-1]
    log = excerpt(ports.rollouts.last_lines(last, service.container, LINES_READ))
    checked = ""
    if service.target_group and "health checks" in last.stopped_reason:
        checked = ports.balancer.target_group(service.target_group).health_check.path
    return replace(seen, logs={last.arn: log}, checked=checked)


def running_digest(rollouts: RolloutView, service: Service, state: ServiceState) -> str:
    """The digest that the service is on; empty when nobody can tell.

    Its newest service deployment says so, but ECS lists those of the last 90 days only, and tells digests once it has
    resolved them (AWS: ECS developer guide, service deployments; container image resolution). Else the image reference
    itself may have it, or the task that was started last.
    """
    listed = rollouts.deployment(state.deployment).digests.get(service.container, "") if state.deployment else ""
    if found := listed or state.images.get(service.container, "").partition("@")[2]:
        return found
    tasks = [
        task
        for task in rollouts.tasks(service.ecs_service)
        if task.status == "running" and task.task_definition == state.task_definition
    ]
    tasks.sort(key=lambda task: task.started_at.timestamp() if task.started_at else 0.0)
    return next((digest for task in reversed(tasks) if (digest := task.digest_of(service.container))), "")


def _newest(ports: RolloutPorts, newest: str, watched: DeploymentState) -> str:
    """The ARN of the service's newest deployment. ECS's lists lag behind: one that is older replaces nothing."""
    if newest in ("", watched.arn) or watched.created_at is None:
        return newest
    created = ports.rollouts.deployment(newest).created_at
    return watched.arn if created is not None and created < watched.created_at else newest


def is_later(task: TaskState, deployment: DeploymentState) -> bool:
    """A forced deployment has the task definition of the one before it: only its later tasks are its own."""
    if task.created_at is None or deployment.created_at is None:
        return True
    # Tasks tell their time in whole milliseconds, deployments may tell it finer.
    whole = deployment.created_at.replace(microsecond=deployment.created_at.microsecond // 1000 * 1000)
    return task.created_at >= whole
