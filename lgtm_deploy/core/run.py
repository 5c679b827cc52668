"""What is known of a run: a fold over its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import singledispatch
from typing import Any, Literal, TypeVar

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event, FailureKind, Verdict
from lgtm_deploy.core.persistent import PersistentMap, put

StepStatus = Literal[
    "waiting",
    "running",
    "succeeded",
    "unchanged",
    "failed",
    "in-doubt",
    "skipped",
    "compensated",
    "left-as-is",
    "not-compensated",
]
UNDONE: frozenset[StepStatus] = frozenset({"compensated", "left-as-is", "not-compensated"})
"""How undoing a step can have ended."""


DataT = TypeVar("DataT")

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
    promised: Mapping[str, Any] | None = None
    """What it gave before it was prepared again: others work with that already."""
    remains: str = ""
    """What its undoing has left in the environment."""
    acted: bool = False
    """Whether it may have changed something that is still to be undone."""
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
    plan_file: str = ""
    graph_digest: str = ""
    version: str = ""
    """The version of lgtm-deploy that began it; empty for one that did not record it."""
    stack: str = ""
    environment: str = ""
    by: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    steps: Mapping[str, StepRun] = field(default_factory=lambda: PersistentMap({}))
    roll_back: bool = True
    """Whether a failure may be rolled back: who began it, or went on with it, without that need not say it again."""
    variables: Mapping[str, str] = field(default_factory=dict)
    stack_inputs: Mapping[str, str] = field(default_factory=dict)
    """What it stands on in the stack file, by dotted name; empty where an earlier version began it."""
    exact: bool = False
    """Whether it does what was approved beforehand, or nothing."""
    base_images: Mapping[str, str] = field(default_factory=dict)
    """The origin of each service's base image in a sandbox; empty elsewhere."""
    rolling_back: bool = False
    undo: bool = False
    """Whether somebody asked for it to be rolled back: then its start state is what is wanted."""
    verdict: Verdict | None = None
    exit_code: int | None = None
    seconds: float = 0.0
    reason: str = ""
    differs: tuple[str, ...] = ()
    completed: int = 0
    hooks: tuple[events.HookFinished, ...] = ()
    availability: Mapping[str, Any] = field(default_factory=dict)
    """How services answered while it went on, by service; empty when nobody watched."""

    def folded(self, happened: Iterable[Event]) -> "Run":
        """The run after these events."""
        run = self
        for each in happened:
            run = _after(each, run)
        return run


@singledispatch
def _after(happened: Event, run: Run) -> Run:  # noqa: ARG001 - events that change nothing known of the run
    return run


def _with_step(run: Run, happened: Event, completed: int = 0, /, **changes: Any) -> Run:
    # Every event costs the same, however many steps there are.
    known = run.steps.get(happened.step) or StepRun(id=happened.step)
    steps = put(run.steps, happened.step, _changed(known, **changes))
    return _changed(run, steps=steps, completed=completed or run.completed)


def _changed(known: DataT, **changes: Any) -> DataT:
    """A copy with these fields changed, as `dataclasses.replace` makes it, at a tenth of its price."""
    copy = object.__new__(type(known))
    vars(copy).update(vars(known), **changes)
    return copy


@_after.register
def _(happened: events.RunStarted, run: Run) -> Run:
    return _changed(
        run,
        plan=happened.plan,
        plan_digest=happened.plan_digest,
        plan_file=happened.plan_file,
        graph_digest=happened.graph_digest,
        version=happened.version,
        stack=happened.stack,
        environment=happened.environment,
        by=happened.by,
        started=happened.at,
        roll_back=happened.roll_back,
        variables=happened.variables,
        stack_inputs=happened.stack_inputs,
        exact=happened.exact,
        base_images=happened.base_images or {},
        steps=PersistentMap({step: StepRun(id=step, needs=tuple(needs)) for step, needs in happened.steps.items()}),
    )


@_after.register
def _(happened: events.RunResumed, run: Run) -> Run:
    undo = run.undo or happened.undo
    roll_back = run.roll_back and happened.roll_back
    run = _changed(run, by=happened.by, verdict=None, exit_code=None, finished=None, undo=undo, roll_back=roll_back)
    if happened.undo or run.rolling_back:
        # It goes back: how its steps ended stays known.
        steps = {name: _left(step) if step.status == "running" else step for name, step in run.steps.items()}
        return _changed(run, rolling_back=True, steps=PersistentMap(steps))
    # What did not end well is to be taken up again; what it had seen and changed stays known.
    steps = {
        name: _changed(step, status="waiting", kind="", reason="", message="") if step.status in _OPEN else step
        for name, step in run.steps.items()
    }
    return _changed(run, reason="", steps=PersistentMap(steps))


def _left(step: StepRun) -> StepRun:
    """A step whose process is gone, in a run that goes back."""
    if step.acted:
        return _changed(step, status="in-doubt", reason="its process ended on the way")
    return _changed(step, status="waiting", message="")


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
    order = run.completed + 1
    return _with_step(run, happened, order, **{"finished": happened.at, "order": order, "message": "", **changes})


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
    return _completed(
        run,
        happened,
        status="failed",
        seconds=happened.seconds,
        acted=happened.acted,
        message=happened.reason,
        kind=happened.kind,
        reason=happened.reason,
    )


@_after.register
def _(happened: events.StepInDoubt, run: Run) -> Run:
    return _completed(
        run,
        happened,
        status="in-doubt",
        seconds=happened.seconds,
        acted=True,
        message=happened.reason,
        reason=happened.reason,
    )


@_after.register
def _(happened: events.StepOutdated, run: Run) -> Run:
    known = run.steps.get(happened.step) or StepRun(id=happened.step)
    promised = (known.promised or known.outputs) if happened.again else None
    return _with_step(
        run,
        happened,
        status="waiting",
        outputs={},
        promised=promised,
        finished=None,
        order=0,
        message=happened.reason,
    )


@_after.register
def _(happened: events.StepSkipped, run: Run) -> Run:
    return _with_step(run, happened, status="skipped", message=happened.reason)


@_after.register
def _(happened: events.RollbackStarted, run: Run) -> Run:
    return _changed(run, rolling_back=True, reason=happened.reason)


@_after.register
def _(happened: events.StepCompensated, run: Run) -> Run:
    return _with_step(run, happened, status="compensated", acted=False)


@_after.register
def _(happened: events.StepLeftAsIs, run: Run) -> Run:
    return _with_step(
        run, happened, status="left-as-is", acted=False, message=happened.remains, remains=happened.remains
    )


@_after.register
def _(happened: events.CompensationFailed, run: Run) -> Run:
    # It may have been back for a moment.
    return _with_step(run, happened, status="not-compensated", acted=True, message=happened.reason)


@_after.register
def _(happened: events.RollbackFinished, run: Run) -> Run:
    # It stays one that goes back until it has its verdict: killed in between, it must not go forwards again.
    return _changed(run, differs=tuple(happened.differs))


@_after.register
def _(happened: events.HookFinished, run: Run) -> Run:
    return _changed(run, hooks=(*run.hooks, happened))


@_after.register
def _(happened: events.AvailabilityMeasured, run: Run) -> Run:
    return _changed(run, availability=happened.services)


@_after.register
def _(happened: events.RunFinished, run: Run) -> Run:
    return _changed(
        run,
        # One that was stopped on its way back goes on backwards.
        rolling_back=run.rolling_back and happened.verdict in events.RESUMABLE,
        verdict=happened.verdict,
        exit_code=happened.exit_code,
        finished=happened.at,
        seconds=happened.seconds,
        reason=happened.reason,
    )
