"""Is a deployment complete, with every new task a healthy target?"""

from collections.abc import Mapping, Sequence

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Target, TargetGroup
from lgtm_deploy.core.rollout import Rollout, all_running, failure, not_healthy, waiting
from lgtm_deploy.core.words import joined, trouble

_POLL = 0.5
# Draining ends on a timer that nothing can hurry: asking less often loses nothing that matters.
_POLL_DRAINING = 1.0


def settled(seen: Rollout, group: TargetGroup | None, targets: Sequence[Target], *, digest: str = "") -> Gate[str]:
    """Open, with the digest that runs, when every new task is a healthy target and ECS calls the deployment successful.

    Without a target group new tasks have to run, and to be healthy by their container health checks. With a `digest` no
    other may run. What is waited for comes with why.
    """
    if (shut := failure(seen, digest=digest)) is not None:
        return shut
    if not all_running(seen):
        return Waiting(reason=waiting(seen), poll_seconds=_POLL)
    if sick := not_healthy(seen):
        return Waiting(reason=joined(sick, trouble(seen.events)), poll_seconds=_POLL)
    states = {target.address: target for target in targets}
    if group and (sick := _sick_target(seen, group, states)):
        return Waiting(reason=joined(sick, trouble(seen.events)), poll_seconds=_POLL)
    if seen.deployment.status != "SUCCESSFUL":
        draining = sum(target.status == "draining" for target in targets)
        why = f"{draining} old target(s) draining" if draining else seen.deployment.status
        what = "all new targets healthy" if group else "all new tasks run"
        return Waiting(reason=f"{what}; {why}", poll_seconds=_POLL_DRAINING if draining else _POLL)
    runs = seen.deployment.digests.get(seen.container, digest)
    return Open(outputs=runs, since=seen.deployment.finished_at)


def _sick_target(seen: Rollout, group: TargetGroup, states: Mapping[str, Target]) -> str:
    for task in seen.running:
        target = states.get(task.address)
        if target is None or target.status != "healthy":
            state = _spell(target, group) if target else "not registered yet"
            return f"target {task.address} in {group.name}: {state}"
    return ""


def _spell(target: Target, group: TargetGroup) -> str:
    on = f"{target.status} on {group.health_check.path}" if target.status == "unhealthy" else target.status
    return joined(on, target.description or target.reason)
