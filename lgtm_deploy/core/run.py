"""What is known of a run: a fold over its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import singledispatch
from typing import Any, Literal

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event, FailureKind, Verdict

StepStatus = Literal[
    "waiting",
    "running",
    "succeeded",
    "unchanged",
    "failed",
    "in-doubt",
    "skipped",
    "compensated",
    "not-compensated",
]


_OPEN: frozenset[StepStatus] = frozenset({"running", "failed", "in-doubt", "skipped"})


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """One step of a run so far. `seen` is what it found before it acted; None: it had not looked yet."""

    id: str
    needs: tuple[str, ...] = ()
    status: StepStatus = "waiting"
    started: datetime | None = None
    finished: datetime | None = None
    since: datetime | None = None
    seconds: float = 0.0
    attempts: int = 0
    message: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    seen: Mapping[str, Any] | None = None
    change: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    acted: bool = False
    kind: Literal[FailureKind, ""] = ""
    reason: str = ""
    """How and why it failed; empty while it has not. Both stay when the step is compensated."""
    order: int = 0
    """Position in the order of completion, from 1; 0 while not completed."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run so far."""

    id: str
    plan: str = ""
    plan_digest: str = ""
    stack: str = ""
    environment: str = ""
    by: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    steps: Mapping[str, StepRun] = field(default_factory=dict)
    rolling_back: bool = False
    verdict: Verdict | None = None
    seconds: float = 0.0
    reason: str = ""
    differs: tuple[str, ...] = ()
    completed: int = 0
    hooks: tuple[events.HookFinished, ...] = ()

    def folded(self, happened: Iterable[Event]) -> "Run":
        """The run after these events."""
        run = self
        for each in happened:
            run = _after(each, run)
        return run


@singledispatch
def _after(happened: Event, run: Run) -> Run:  # noqa: ARG001 - events that change nothing known of the run
    return run


def _with_step(run: Run, happened: Event, **changes: Any) -> Run:
    known = run.steps.get(happened.step, StepRun(id=happened.step))
    return replace(run, steps={**run.steps, happened.step: replace(known, **changes)})


@_after.register
def _(happened: events.RunStarted, run: Run) -> Run:
    return replace(
        run,
        plan=happened.plan,
        plan_digest=happened.plan_digest,
        stack=happened.stack,
        environment=happened.environment,
        by=happened.by,
        started=happened.at,
        steps={step: StepRun(id=step, needs=tuple(needs)) for step, needs in happened.steps.items()},
    )


@_after.register
def _(happened: events.RunResumed, run: Run) -> Run:
    # What did not end well is to be taken up again; what it had seen and changed stays known.
    steps = {
        name: replace(step, status="waiting", kind="", reason="", message="") if step.status in _OPEN else step
        for name, step in run.steps.items()
    }
    return replace(run, by=happened.by, verdict=None, finished=None, reason="", steps=steps)


@_after.register
def _(happened: events.StepStarted, run: Run) -> Run:
    known = run.steps.get(happened.step)
    return _with_step(
        run,
        happened,
        status="running",
        # A step that is taken up again keeps the moment it first began.
        started=(known.started if known else None) or happened.at,
        inputs=happened.inputs,
        message="",
        attempts=(known.attempts if known else 0) + 1,
        # How it failed before it was taken up again says nothing of how it ends now.
        kind="",
        reason="",
    )


@_after.register
def _(happened: events.StepObserved, run: Run) -> Run:
    known = run.steps.get(happened.step)
    # The first look is the one a rollback returns to: a later one may see what this very step has changed.
    seen = happened.seen if known is None or known.seen is None else known.seen
    return _with_step(run, happened, seen=seen, change=happened.change, acted=bool(happened.change))


@_after.register
def _(happened: events.StepProgressed, run: Run) -> Run:
    return _with_step(run, happened, message=happened.message)


@_after.register
def _(happened: events.StepRetried, run: Run) -> Run:
    return _with_step(run, happened, attempts=happened.attempt + 1, message=happened.reason)


def _completed(run: Run, happened: Event, **changes: Any) -> Run:
    run = replace(run, completed=run.completed + 1)
    return _with_step(run, happened, finished=happened.at, order=run.completed, message="", **changes)


@_after.register
def _(happened: events.StepSucceeded, run: Run) -> Run:
    return _completed(
        run,
        happened,
        status="succeeded",
        seconds=happened.seconds,
        outputs=happened.outputs,
        attempts=happened.attempt,
        since=happened.since,
    )


@_after.register
def _(happened: events.StepUnchanged, run: Run) -> Run:
    return _completed(
        run, happened, status="unchanged", seconds=happened.seconds, outputs=happened.outputs, acted=False
    )


@_after.register
def _(happened: events.StepFailed, run: Run) -> Run:
    run = _completed(run, happened, status="failed", seconds=happened.seconds, acted=happened.acted)
    return _with_step(run, happened, message=happened.reason, kind=happened.kind, reason=happened.reason)


@_after.register
def _(happened: events.StepInDoubt, run: Run) -> Run:
    run = _completed(run, happened, status="in-doubt", seconds=happened.seconds, acted=True, reason=happened.reason)
    return _with_step(run, happened, message=happened.reason)


@_after.register
def _(happened: events.StepOutdated, run: Run) -> Run:
    return _with_step(run, happened, status="waiting", outputs={}, finished=None, order=0, message=happened.reason)


@_after.register
def _(happened: events.StepSkipped, run: Run) -> Run:
    return _with_step(run, happened, status="skipped", message=happened.reason)


@_after.register
def _(happened: events.RollbackStarted, run: Run) -> Run:
    return replace(run, rolling_back=True, reason=happened.reason)


@_after.register
def _(happened: events.StepCompensated, run: Run) -> Run:
    return _with_step(run, happened, status="compensated", acted=False)


@_after.register
def _(happened: events.CompensationFailed, run: Run) -> Run:
    return _with_step(run, happened, status="not-compensated", message=happened.reason)


@_after.register
def _(happened: events.RollbackFinished, run: Run) -> Run:
    return replace(run, rolling_back=False, differs=tuple(happened.differs))


@_after.register
def _(happened: events.HookFinished, run: Run) -> Run:
    return replace(run, hooks=(*run.hooks, happened))


@_after.register
def _(happened: events.RunFinished, run: Run) -> Run:
    return replace(
        run, verdict=happened.verdict, finished=happened.at, seconds=happened.seconds, reason=happened.reason
    )
