"""Facts about a run, in the past tense."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

SCHEMA = 1

Verdict = Literal[
    "deployed",
    "unchanged",
    "rolled-back",
    "refused",
    "halted",
    "rollback-failed",
    "locked",
    "timed-out",
    "superseded",
    "interrupted",
]

RESUMABLE: frozenset[Verdict] = frozenset({"interrupted", "timed-out"})

EXIT_CODES: Mapping[Verdict, int] = {
    "deployed": 0,
    "unchanged": 0,
    "rolled-back": 1,
    "refused": 2,
    "rollback-failed": 3,
    "locked": 4,
    "timed-out": 5,
    "superseded": 6,
    "halted": 7,
    "interrupted": 130,
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to the run as a whole, or (with `step`) to one step of it."""

    at: datetime
    step: str = ""


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run began. `steps` maps every step's id to the ids that it needs; `roll_back`: a failure may be rolled back;
    `variables`: what the plan was given; `stack_inputs`: what it stands on in the stack file (core/stack_inputs.py);
    `plan_file`: where its plan is, from the stack file's folder; empty: it comes with the tool; `exact`: what it does
    was approved beforehand, and it does that or nothing; `base_images`: by service the origin of its base image in a
    sandbox, such as `stand-in (recorded)`; None elsewhere; `graph_digest`: the SHA-256 of its steps;
    `version`: the version of lgtm-deploy that built them."""

    plan: str
    plan_digest: str
    stack: str
    environment: str
    by: str
    steps: Mapping[str, tuple[str, ...]]
    roll_back: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)
    stack_inputs: Mapping[str, str] = field(default_factory=dict)
    plan_file: str = ""
    exact: bool = False
    base_images: Mapping[str, str] | None = None
    graph_digest: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class RunResumed(Event):
    """A run that had stopped went on, or (`undo`) somebody asked for all that it had changed to be undone.
    `roll_back`: a failure may be rolled back, unless the run was begun without."""

    by: str
    undo: bool = False
    roll_back: bool = True


@dataclass(frozen=True, kw_only=True)
class LockTaken(Event):
    """The run holds its environment."""

    environment: str
    fence: int


@dataclass(frozen=True, kw_only=True)
class LockTakenOver(Event):
    """The environment was taken from the run that held it, by another run or by a person (then `to_run` is empty).

    It stands in the journals of both runs. What the first one writes after it is refused.
    """

    environment: str
    fence: int
    from_run: str
    from_holder: str
    to_run: str
    to_holder: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    """A step was handed to a worker. Written before it acts."""

    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StepObserved(Event):
    """What a step found before changing anything, kept for its compensation, and what it is about to change."""

    seen: Mapping[str, Any]
    change: str


@dataclass(frozen=True, kw_only=True)
class StepProgressed(Event):
    """What a step is doing or waiting for. `facts` are for a later process, such as the state lock that it holds."""

    message: str
    facts: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class StepRetried(Event):
    """An attempt failed in a way that may pass; the next one starts in `delay` seconds."""

    attempt: int
    reason: str
    delay: float


@dataclass(frozen=True, kw_only=True)
class StepSucceeded(Event):
    """The step did its work. `seconds` is its wall time; `since` is when the world had changed, where that is known
    to be earlier than when it was noticed."""

    attempt: int
    seconds: float
    outputs: Mapping[str, Any]
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class StepUnchanged(Event):
    """There was nothing to do."""

    seconds: float
    outputs: Mapping[str, Any]


FailureKind = Literal["failed", "refused", "superseded", "timed-out", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class StepFailed(Event):
    """The step failed for good. `acted` says whether it may have changed something outside."""

    attempt: int
    seconds: float
    reason: str
    kind: FailureKind
    acted: bool


@dataclass(frozen=True, kw_only=True)
class StepInDoubt(Event):
    """A change was sent and its outcome is unknown."""

    attempt: int
    seconds: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class StepOutdated(Event):
    """What the step had prepared no longer holds, before anything was done with it: it will run again. `again`: only
    because it is not on this machine, and what it gives must be the same as before."""

    reason: str
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class StepSkipped(Event):
    """The step was not run."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class RollbackStarted(Event):
    """Steps that acted are being compensated."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class StepCompensated(Event):
    """What the step had changed is back as it was found, and was read back."""

    seconds: float


@dataclass(frozen=True, kw_only=True)
class StepLeftAsIs(Event):
    """What the step restores is back, and something of its change stays: `remains` names it."""

    seconds: float
    remains: str


@dataclass(frozen=True, kw_only=True)
class CompensationFailed(Event):
    """What the step had changed is not back; `reason` lists what differs."""

    seconds: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class HookFinished(Event):
    """A hook of the plan ended. `exit_code` is its process's."""

    hook: str
    exit_code: int
    seconds: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class AvailabilityMeasured(Event):
    """How services answered while the run went on: by service its `paths` that were asked, `requests`, `failures`, the
    `longest_gap` between two good answers in seconds, and `why` the first one failed."""

    services: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RollbackFinished(Event):
    """Compensation ended; `differs` lists what is not as it was found, `left` what steps have left as is."""

    differs: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The end, with its verdict."""

    verdict: Verdict
    exit_code: int
    seconds: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """An event as the journal holds it."""

    schema: ClassVar[int] = SCHEMA
    seq: int
    run: str
    fence: int
    event: Event


EVENTS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunStarted,
        RunResumed,
        LockTaken,
        LockTakenOver,
        StepStarted,
        StepObserved,
        StepProgressed,
        StepRetried,
        StepSucceeded,
        StepUnchanged,
        StepFailed,
        StepInDoubt,
        StepOutdated,
        StepSkipped,
        RollbackStarted,
        StepCompensated,
        StepLeftAsIs,
        CompensationFailed,
        HookFinished,
        RollbackFinished,
        AvailabilityMeasured,
        RunFinished,
    )
}
