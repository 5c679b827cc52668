"""await-deployment: the targets are healthy on the new path and the deployment is complete."""

from dataclasses import dataclass

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Target, TargetGroup
from lgtm_deploy.core.rollout import Rollout, failure
from lgtm_deploy.core.settling import settled
from lgtm_deploy.core.step import Look
from lgtm_deploy.steps.results import CompleteDeployment
from lgtm_deploy.steps.rollouts import Watched, look_at
from lgtm_deploy.steps.target_groups import group_of

_POLL = 0.5


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The rollout and the service's target group, None: it has none."""

    rollout: Rollout
    group: TargetGroup | None
    targets: tuple[Target, ...]


class AwaitDeployment(Look[Watched, Seen, CompleteDeployment]):
    """The gate after the load balancer's check has moved."""

    takes = Watched
    gives = CompleteDeployment

    def look(self, inputs: Watched) -> Seen:
        """Raises TransientError when AWS does not answer."""
        service = self.stack.service(inputs.service)
        group = group_of(self.ports.balancer, service)
        return Seen(
            rollout=look_at(self.ports, service, inputs),
            group=group,
            targets=tuple(self.ports.balancer.targets(group.arn)) if group else (),
        )

    def judge(self, inputs: Watched, seen: Seen) -> Gate[CompleteDeployment]:
        """Open when every new task is a healthy target on the new path and ECS calls the deployment successful.

        Without a target group every new task has to run, and to be healthy by its container health checks.
        """
        group, wanted = seen.group, self.stack.service(inputs.service).health.path
        path = group.health_check.path if group else wanted
        if group and path != wanted and failure(seen.rollout, digest=inputs.digest) is None:
            return Waiting(reason=f"{group.name} checks {path}, not {wanted} yet", poll_seconds=_POLL)
        gate = settled(seen.rollout, group, seen.targets, digest=inputs.digest)
        return (
            Open(outputs=CompleteDeployment(service=inputs.service, digest=gate.outputs), since=gate.since)
            if isinstance(gate, Open)
            else gate
        )
