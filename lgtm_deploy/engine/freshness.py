"""Does what was prepared still hold, after somebody has thought about it or on another machine?"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeGuard

from lgtm_deploy.core.output import UnknownYetError
from lgtm_deploy.core.step import Action, Effect, Part, Step
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.gates import DONE
from lgtm_deploy.engine.retrying import repeatedly


def outdated(job: Job) -> Mapping[str, str]:
    """The prepared steps whose outputs no longer hold, and why. None once anything was changed: then it is too late to
    prepare anew.

    Raises DeployError when a step cannot look.
    """
    return _asked(job, lambda step, inputs, outputs: step.still_holds(inputs, outputs))


def irreversible(job: Job) -> Mapping[str, str]:
    """Return the prepared steps whose changes could not be rolled back, and why. None once anything was changed."""
    return _asked(job, lambda step, inputs, outputs: step.irreversible(inputs, outputs))


def _asked(job: Job, ask: Callable[[Action[Any, Any, Any], Any, Any], str]) -> Mapping[str, str]:
    if any(known.acted for known in job.run.steps.values()):
        return {}
    found: dict[str, str] = {}
    for node in job.graph.nodes.values():
        step, known = job.steps[node.id], job.run.steps[node.id]
        if not _is_local(step) or known.status not in DONE:
            continue
        try:
            # Outputs that were taken over from elsewhere came without inputs.
            inputs = typed(step.takes, job.inputs(node))
        except UnknownYetError:
            continue
        outputs = typed(step.gives, known.outputs)
        why = repeatedly(partial(ask, step, inputs, outputs), node.retry, job.stop)
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
    # What comes after, first: whoever finds only a part of it written down finds these steps out of date once more.
    job.outdate(dict(reversed(reasons.items())))


def absent(job: Job) -> Mapping[str, str]:
    """The prepared steps whose files are not on this machine and are still needed, and why.

    What a change of a health check was begun with stays what it was, for its way back is limited by it. Raises
    DeployError when a step cannot look.
    """
    needed = _needed(job)
    found: dict[str, str] = {}
    for node in job.graph.nodes.values():
        step, known = job.steps[node.id], job.run.steps[node.id]
        if _is_local(step) and known.status in DONE and node.id in needed:
            why = step.missing(typed(step.gives, known.outputs))
            if why:
                found[node.id] = why
    return found


def fetch(job: Job, why: Mapping[str, str]) -> None:
    """Has just these steps run again: what they give must be the same, in another place."""
    job.outdate(why, again=True)


def unlike(job: Job) -> Mapping[str, str]:
    """The steps that ran again and gave something else than others work with already, and what."""
    found: dict[str, str] = {}
    for node in job.graph.nodes.values():
        step, known = job.steps[node.id], job.run.steps[node.id]
        if _is_local(step) and known.promised is not None and known.status in DONE:
            why = step.differs(typed(step.gives, known.promised), typed(step.gives, known.outputs))
            if why:
                found[node.id] = why
    return found


def _is_local(step: Step) -> TypeGuard[Action[Any, Any, Any]]:
    return isinstance(step, Action) and step.effect is Effect.LOCAL


def _needed(job: Job) -> set[str]:
    """The steps on whose outputs one works that has still to be done, be they handed on by steps of this machine."""
    open_ahead, begun_ahead = set[str](), set[str]()
    # The last first: what a step feeds is known by then.
    for node in reversed(list(job.graph.nodes.values())):
        step, known = job.steps[node.id], job.run.steps[node.id]
        hands_on = _is_local(step)
        is_open = known.status not in DONE or (hands_on and node.id in open_ahead)
        has_begun = (step.part is Part.HEALTH_CHECK and known.acted) or (hands_on and node.id in begun_ahead)
        if is_open:
            open_ahead.update(node.needs)
        if has_begun:
            begun_ahead.update(node.needs)
    return open_ahead - begun_ahead
