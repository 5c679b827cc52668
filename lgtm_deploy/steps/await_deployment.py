"""await-deployment: the targets are healthy on the new path and the deployment is complete."""

from dataclasses import dataclass

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Target, TargetGroup
from lgtm_deploy.core.rollout import Rollout, all_running, failure, waiting
from lgtm_deploy.core.step import Look
from lgtm_deploy.steps.rollouts import Watched, look_at

_POLL = 0.5
# Draining ends on a timer that nothing can hurry: asking less often loses nothing that matters.
_POLL_DRAINING = 1.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The rollout and the service's target group."""

    rollout: Rollout
    group: TargetGroup
    targets: tuple[Target, ...]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`digest` is what runs."""

    digest: str


class AwaitDeployment(Look[Watched, Seen, Outputs]):
    """The gate after the load balancer's check has moved."""

    takes = Watched
    gives = Outputs

    def look(self, inputs: Watched) -> Seen:
        """Raises TransientError when AWS does not answer."""
        service = self.stack.service(inputs.service)
        group = self.ports.balancer.target_group(service.target_group)
        return Seen(
            rollout=look_at(self.ports, service, inputs),
            group=group,
            targets=tuple(self.ports.balancer.targets(group.arn)),
        )

    def judge(self, inputs: Watched, seen: Seen) -> Gate[Outputs]:
        """Open when every new task is a healthy target on the new path and ECS calls the deployment successful."""
        if (shut := failure(seen.rollout, digest=inputs.digest)) is not None:
            return shut
        service = self.stack.service(inputs.service)
        path = seen.group.health_check.path
        if path != service.health.path:
            return Waiting(reason=f"{seen.group.name} checks {path}, not {service.health.path} yet", poll_seconds=_POLL)
        if not all_running(seen.rollout):
            return Waiting(reason=waiting(seen.rollout), poll_seconds=_POLL)
        states = {target.address: target for target in seen.targets}
        for task in seen.rollout.running:
            target = states.get(task.address)
            if target is None or target.status != "healthy":
                state = _spell(target) if target else "not registered yet"
                return Waiting(reason=f"target {task.address} in {seen.group.name}: {state}", poll_seconds=_POLL)
        if seen.rollout.deployment.status != "SUCCESSFUL":
            draining = sum(target.status == "draining" for target in seen.targets)
            why = f"{draining} old target(s) draining" if draining else seen.rollout.deployment.status
            return Waiting(reason=f"all new targets healthy; {why}", poll_seconds=_POLL_DRAINING if draining else _POLL)
        digest = seen.rollout.deployment.digests.get(service.container, inputs.digest)
        return Open(outputs=Outputs(digest=digest), since=seen.rollout.deployment.finished_at)


def _spell(target: Target) -> str:
    return ": ".join(part for part in (target.status, target.description or target.reason) if part)
