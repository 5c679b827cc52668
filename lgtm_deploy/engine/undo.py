"""Undoing a run because somebody asks for it: finished or half-done, back to the state that it found."""

from functools import partial
from typing import Any

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import DeployError, InterruptedRunError, RefusedError
from lgtm_deploy.core.gate import LeftAsIs, Open, Restoration, Shut
from lgtm_deploy.core.graph import Node
from lgtm_deploy.core.preview import Preview, PreviewLine
from lgtm_deploy.core.run import Run, StepRun
from lgtm_deploy.core.step import Action
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.closing import HookRunner, finish, lock_taken, run_hooks, skip_rest
from lgtm_deploy.engine.conduct import Decisions
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.quiescence import quiesce
from lgtm_deploy.engine.retrying import repeatedly
from lgtm_deploy.engine.rollback import roll_back

_AS_FOUND = ("unchanged", "refused", "rolled-back")


def nothing_to_undo(run: Run) -> str:
    """Why there is nothing to undo; empty when there is, or when an earlier rollback of it has no verdict yet."""
    if run.verdict in _AS_FOUND:
        return f"Run {run.id} is {run.verdict}: there is nothing to undo."
    if not run.rolling_back and not any(step.acted for step in run.steps.values()):
        return f"Run {run.id} has changed nothing: there is nothing to undo."
    return ""


def undo(job: Job, decisions: Decisions, hook: HookRunner, *, by: str) -> Run:
    """Shows what would be undone, asks, and brings it back: what came last first, as in a rollback after a failure.

    The job's run is what its journal tells. One that was killed amid its rollback goes on there. The verdict
    is in the run returned: `rolled-back`, `rollback-failed`, or `interrupted` or `timed-out` if it must go on later.

    Raises RefusedError, and then nothing is written down but what was waited for: somebody else has deployed since, or
    it was not approved. Raises InterruptedRunError when it was asked to stop before it began.
    """
    quiesce(job)
    _refuse_superseded(job)
    _ask(job, decisions)
    # The world went on while somebody thought about it.
    _refuse_superseded(job)
    began = job.clock.monotonic()
    why = _reason(job.run, by)
    job.writer.commit(events.RunResumed(at=job.clock.now(), by=by, undo=True))
    lock_taken(job)
    skip_rest(job, "undone before it")
    conclusion = roll_back(job, why, hook)
    if conclusion.verdict == "rollback-failed":
        run_hooks(job, hook, "failed", conclusion)
    return finish(job, conclusion, began)


def way_back(job: Job) -> Preview:
    """What undoing the run would bring back, in about that order. What is back already is among its `unchanged`."""
    lines: list[PreviewLine] = []
    back: list[str] = []
    left: list[str] = []
    for known in sorted(job.run.steps.values(), key=lambda step: (bool(step.order), -step.order)):
        step = job.steps.get(known.id)
        if not known.acted or known.seen is None or not isinstance(step, Action):
            continue
        now = _now(job.graph.nodes[known.id], step, known, job.stop)
        if isinstance(now, Open):
            back.append(known.id)
        elif isinstance(now, LeftAsIs):
            left.append(f"{known.id}: {now.remains or known.change}")
        else:
            lines.append(PreviewLine(step=known.id, change=f"undo: {known.change}", details=(now.reason,)))
    return Preview(
        plan=job.plan.name,
        environment=job.environment,
        heading=f"Undoing run {job.run.id} ({job.plan.name} on {job.environment})",
        lines=tuple(lines),
        unchanged=tuple(back),
        left=tuple(left),
    )


def _now(node: Node, step: Action[Any, Any, Any], known: StepRun, stop: CancellationToken) -> Restoration:
    """Return how what the step had changed is now."""
    try:
        look = partial(step.restored, typed(step.takes, known.inputs), typed(step.sees, known.seen or {}))
        return repeatedly(look, node.retry, stop)
    except DeployError as error:
        return Shut(reason=f"{node.id} cannot look: {error}")


def _refuse_superseded(job: Job) -> None:
    for known in job.run.steps.values():
        step = job.steps.get(known.id)
        if not known.acted or known.seen is None or not isinstance(step, Action):
            continue
        outputs = typed(step.gives, known.outputs) if known.outputs else None
        look = partial(step.superseded, typed(step.takes, known.inputs), typed(step.sees, known.seen), outputs)
        who = repeatedly(look, job.graph.nodes[known.id].retry, job.stop)
        if who:
            raise RefusedError(
                f"Run {job.run.id} cannot be undone: {who}.",
                resolution="Undoing it would undo that, too: undo that first, or apply a plan.",
            )


def _ask(job: Job, decisions: Decisions) -> None:
    approved = decisions.approve(way_back(job))
    if job.stop.cancelled:
        raise InterruptedRunError(f"Run {job.run.id} is as it was: {job.stop.reason}.")
    if not approved:
        raise RefusedError(f"Undoing run {job.run.id} was not approved.")


def _reason(run: Run, by: str) -> str:
    asked = f"asked for by {by}"
    before = run.verdict or ("rolling back" if run.rolling_back else "not finished")
    if run.undo or before == "deployed":
        return asked
    return f"{asked}; it was {before}: {run.reason}" if run.reason else f"{asked}; it was {before}"
