"""Is a deployment complete, with every new task a healthy target?"""

from collections.abc import Sequence

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Target, TargetGroup
from lgtm_deploy.core.rollout import Rollout, all_running, failure, waiting
from lgtm_deploy.core.words import joined, trouble

_POLL = 0.5
# Draining ends on a timer that nothing can hurry: asking less often loses nothing that matters.
_POLL_DRAINING = 1.0


def settled(seen: Rollout, group: TargetGroup, targets: Sequence[Target], *, digest: str = "") -> Gate[str]:
    """Open, with the digest that runs, when every new task is a healthy target and ECS calls the deployment successful.

    With a `digest` no other may run. What is waited for comes with why.
    """
    if (shut := failure(seen, digest=digest)) is not None:
        return shut
    if not all_running(seen):
        return Waiting(reason=waiting(seen), poll_seconds=_POLL)
    states = {target.address: target for target in targets}
    for task in seen.running:
        target = states.get(task.address)
        if target is None or target.status != "healthy":
            state = _spell(target, group) if target else "not registered yet"
            why = joined(f"target {task.address} in {group.name}: {state}", trouble(seen.events))
            return Waiting(reason=why, poll_seconds=_POLL)
    if seen.deployment.status != "SUCCESSFUL":
        draining = sum(target.status == "draining" for target in targets)
        why = f"{draining} old target(s) draining" if draining else seen.deployment.status
        return Waiting(reason=f"all new targets healthy; {why}", poll_seconds=_POLL_DRAINING if draining else _POLL)
    runs = seen.deployment.digests.get(seen.container, digest)
    return Open(outputs=runs, since=seen.deployment.finished_at)


def _spell(target: Target, group: TargetGroup) -> str:
    on = f"{target.status} on {group.health_check.path}" if target.status == "unhealthy" else target.status
    return joined(on, target.description or target.reason)
