"""Does what was prepared still hold, after somebody has thought about it?"""

from collections.abc import Mapping

from lgtm_deploy.core import event as events
from lgtm_deploy.core.reference import UnknownYetError, resolve
from lgtm_deploy.core.step import Action, Effect
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.gates import DONE


def outdated(job: Job) -> Mapping[str, str]:
    """The prepared steps whose outputs no longer hold, and why. None once anything was changed: then it is too late to
    prepare anew.

    Raises DeployError when a step cannot look.
    """
    if any(known.acted for known in job.run.steps.values()):
        return {}
    found: dict[str, str] = {}
    for node in job.graph.nodes.values():
        step, known = job.steps[node.id], job.run.steps[node.id]
        if not isinstance(step, Action) or step.effect is not Effect.LOCAL or known.status not in DONE:
            continue
        try:
            # Outputs that were taken over from elsewhere came without inputs.
            inputs = typed(step.takes, resolve(dict(node.spec.with_), job.scope(node)))
        except UnknownYetError:
            continue
        why = step.still_holds(inputs, typed(step.gives, known.outputs))
        if why:
            found[node.id] = why
    return found


def reopen(job: Job, why: Mapping[str, str]) -> None:
    """Has these steps run again, and all that has run after them."""
    reasons = dict(why)
    for node in job.graph.nodes.values():
        first = next((need for need in node.needs if need in reasons), None)
        if first is not None and node.id not in reasons and job.run.steps[node.id].status in DONE:
            reasons[node.id] = f"{first} is out of date"
    at = job.clock.now()
    job.ledger.write(*(events.StepOutdated(at=at, step=step, reason=reason) for step, reason in reasons.items()))
