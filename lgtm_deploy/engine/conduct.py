"""One run from its first event to its verdict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy import __version__
from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import DeadlineError, DeployError, InterruptedRunError, RefusedError
from lgtm_deploy.core.event import Verdict
from lgtm_deploy.core.order import ungated
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.verdict import Conclusion, Ending, cause, conclude, ending
from lgtm_deploy.engine.closing import HookRunner, finish, lock_taken, run_hooks, skip_rest
from lgtm_deploy.engine.executor import Job, execute
from lgtm_deploy.engine.foresight import beforehand, preview
from lgtm_deploy.engine.freshness import absent, fetch, irreversible, outdated, reopen, unlike
from lgtm_deploy.engine.rollback import go_on_back, roll_back, tidy

_ENDED_EARLY: Mapping[Verdict, type[DeployError]] = {"interrupted": InterruptedRunError, "timed-out": DeadlineError}

# How often a person is asked anew because what they approved was out of date by then.
_QUESTIONS = 3


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What people decide about a run: whether its preview is approved, and whether it may roll back."""

    approve: Callable[[Preview], bool]
    asks: bool = False
    """Whether approving takes a person's time, in which the world goes on."""
    roll_back: bool = True
    prepared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Outputs of steps that were prepared, shown and approved beforehand: these steps are not run again."""


def conduct(job: Job, decisions: Decisions, hook: HookRunner, *, stack: str, by: str) -> Run:
    """Prepares, shows what would change, asks, acts, and on failure goes back. The verdict is in the run returned.

    A run that had begun before goes on from where its journal ends.
    """
    clock = job.clock
    began = clock.monotonic()
    # Of one that was stopped on its way back, the reason tells of the stop.
    why = job.run.reason if job.run.verdict is None else cause(job.run)
    if job.run.started is None:
        _begin(job, stack, by, roll_back=decisions.roll_back, exact=bool(decisions.prepared))
        lock_taken(job)
        _take_over(job, decisions.prepared)
        run_hooks(job, hook, "before")
    else:
        # The time since it first began, the pause included.
        began -= (clock.now() - job.run.started).total_seconds()
        job.writer.commit(events.RunResumed(at=clock.now(), by=by, roll_back=decisions.roll_back))
        lock_taken(job)
    if job.run.rolling_back:
        conclusion = go_on_back(job, why or f"asked for by {by}", hook)
    else:
        conclusion = _decided(job, decisions, hook) or _act(job, decisions, hook)
    if conclusion.verdict in ("deployed", "unchanged"):
        run_hooks(job, hook, "succeeded", conclusion)
    elif not (job.run.undo and conclusion.verdict == "rolled-back"):
        run_hooks(job, hook, "failed", conclusion)
    return finish(job, conclusion, began)


def foresee(job: Job, *, stack: str, by: str) -> Preview:
    """What `conduct` would change.

    Raises RefusedError with the reason when it would refuse, InterruptedRunError when it
    was asked to stop and DeadlineError when it took too long.
    """
    _begin(job, stack, by)
    refused, seen = _prepared(job)
    if refused is not None:
        raise _ENDED_EARLY.get(refused.verdict, RefusedError)(refused.reason)
    return seen


def _begin(job: Job, stack: str, by: str, *, roll_back: bool = True, exact: bool = False) -> None:
    # What comes next is written down with it.
    job.writer.stage(
        events.RunStarted(
            at=job.clock.now(),
            plan=job.plan.name,
            plan_digest=job.plan.digest,
            stack=stack,
            environment=job.environment,
            by=by,
            steps={node.id: node.needs for node in job.graph.nodes.values()},
            graph_digest=job.graph.digest(),
            version=__version__,
            roll_back=roll_back,
            variables=job.writer.masks.remembered(job.variables),
            stack_inputs=job.stack_inputs,
            plan_file=job.plan.file,
            exact=exact,
            base_images=job.base_images,
        )
    )


def _take_over(job: Job, prepared: Mapping[str, Mapping[str, Any]]) -> None:
    at = job.clock.now()
    for step in job.run.steps.keys() & prepared.keys():
        job.writer.stage(
            events.StepStarted(at=at, step=step),
            events.StepSucceeded(at=at, step=step, attempt=1, seconds=0.0, outputs=prepared[step]),
        )
    job.writer.commit()


def _prepared(job: Job) -> tuple[Conclusion | None, Preview]:
    """Runs what touches only this machine and looks ahead. A conclusion when the run ends here."""
    admitted = beforehand(job)
    nothing = Preview(plan=job.plan.name, environment=job.environment)
    run = execute(job, lambda node: node.id in admitted)
    end = ending(run, asked_to_stop=job.stop.cancelled, late=job.stop.timed_out)
    if end != "done":
        return conclude(run, end, stopped=job.stop.reason), nothing
    if job.stack and (wrong := list(ungated(job.graph, job.stack, job.result))):
        return Conclusion(verdict="refused", reason="; ".join(wrong)), nothing
    try:
        return None, preview(job)
    except DeployError as error:
        return _cut_short(job, error), nothing


def _decided(job: Job, decisions: Decisions, hook: HookRunner) -> Conclusion | None:
    """A conclusion when the run ends before it acts, or goes on acting."""
    try:
        conclusion = _renewed(job, decisions) or _asked(job, decisions)
    except DeployError as error:
        conclusion = _cut_short(job, error)
    if conclusion is None:
        return None
    if any(step.acted for step in job.run.steps.values()):
        # It has changed something before it was stopped, and that is neither undone nor forgotten.
        if conclusion.verdict == "halted":
            return _ended(job, decisions, hook, "failed")
        if conclusion.verdict == "refused":
            return Conclusion(verdict="interrupted", reason=conclusion.reason)
    skip_rest(job, "the run ended before it")
    return conclusion


def _renewed(job: Job, decisions: Decisions) -> Conclusion | None:
    """Has what is missing on this machine prepared again, and what no longer holds: it has waited for somebody to go
    on. A conclusion when that may not be."""
    # What came out otherwise than before may have been made of files that are as they were again.
    fetch(job, {**absent(job), **unlike(job)})
    why = {} if decisions.prepared else outdated(job)
    if why and job.run.exact:
        return _not_that(why)
    reopen(job, why)
    return None


def _asked(job: Job, decisions: Decisions) -> Conclusion | None:
    """Asks until what was approved is what there is, a few times at the most."""
    told = ""
    for _ in range(_QUESTIONS):
        conclusion, seen = _prepared(job)
        conclusion = conclusion or _no_way_back(job, decisions, seen)
        why = conclusion or unlike(job) or _thought_over(job, decisions, seen)
        if isinstance(why, Conclusion):
            return why
        if not why:
            return None
        if job.run.exact:
            return _not_that(why)
        told = "; ".join(f"{step}: {reason}" for step, reason in why.items())
        if any(step.acted for step in job.run.steps.values()):
            # What it has changed was made of what it had prepared then.
            return Conclusion(verdict="refused", reason=f"{told}: go on with the files as they were, or undo the run")
        reopen(job, why)
    return Conclusion(verdict="refused", reason=f"{told}, {_QUESTIONS} times while it was being approved: try later")


def _no_way_back(job: Job, decisions: Decisions, seen: Preview) -> Conclusion | None:
    """A refusal when a failed run would be rolled back and could not be."""
    rolls_back = decisions.roll_back and job.run.roll_back and job.plan.on_failure == "rollback"
    if not rolls_back or not seen.changes:
        return None
    why = irreversible(job)
    return Conclusion(verdict="refused", reason="; ".join(dict.fromkeys(why.values()))) if why else None


def _not_that(why: Mapping[str, str]) -> Conclusion:
    """What was approved elsewhere is applied, or nothing."""
    told = "; ".join(f"{step}: {reason}" for step, reason in why.items())
    return Conclusion(verdict="refused", reason=f"{told}: plan again")


def _thought_over(job: Job, decisions: Decisions, seen: Preview) -> Conclusion | Mapping[str, str]:
    """A conclusion when it was not approved; else what is out of date once somebody has thought about it, and why."""
    conclusion = _approved(job, decisions, seen)
    if conclusion is not None:
        return conclusion
    if not seen.changes or not (decisions.asks or decisions.prepared):
        return {}
    try:
        return outdated(job)
    except DeployError as error:
        return _cut_short(job, error)


def _approved(job: Job, decisions: Decisions, seen: Preview) -> Conclusion | None:
    if decisions.asks and seen.changes and job.stop.cancelled:
        # Nobody is asked for what will not be done.
        return Conclusion(verdict="timed-out" if job.stop.timed_out else "interrupted", reason=job.stop.reason)
    try:
        if decisions.approve(seen):
            return None
    except DeployError as error:
        return Conclusion(verdict="refused", reason=str(error))
    if job.stop.cancelled:
        return Conclusion(verdict="interrupted", reason=job.stop.reason)
    return Conclusion(verdict="refused", reason="the change was not approved")


def _cut_short(job: Job, error: DeployError) -> Conclusion:
    """What comes of a run that could not look ahead."""
    if isinstance(error, InterruptedRunError):
        return Conclusion(verdict="timed-out" if job.stop.timed_out else "interrupted", reason=str(error))
    return Conclusion(verdict="refused", reason=str(error))


def _act(job: Job, decisions: Decisions, hook: HookRunner) -> Conclusion:
    goes_on = job.plan.on_failure == "continue"
    run = execute(job, go_on=goes_on)
    end = ending(run, asked_to_stop=job.stop.cancelled, late=job.stop.timed_out, goes_on=goes_on)
    return _ended(job, decisions, hook, end)


def _ended(job: Job, decisions: Decisions, hook: HookRunner, end: Ending) -> Conclusion:
    """What comes of steps that ended so: all went well, or some of it is undone, or left."""
    if end != "done":
        skip_rest(job, f"{end} before it")
    run = job.run
    acted = any(step.acted for step in run.steps.values())
    if end == "failed" and acted and decisions.roll_back and run.roll_back and job.plan.on_failure == "rollback":
        return roll_back(job, cause(run), hook)
    if end in ("failed", "superseded"):
        tidy(job)
    return conclude(job.run, end, stopped=job.stop.reason)
