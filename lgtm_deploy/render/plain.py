"""A run for a log: one timestamped line an event."""

from collections.abc import Mapping
from datetime import datetime
from functools import singledispatch
from typing import TextIO

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event, FailureKind, Record
from lgtm_deploy.core.run import Run
from lgtm_deploy.render.text import (
    availability_lines,
    base_image_lines,
    brief_reason,
    clean,
    difference_lines,
    duration,
    facts,
    put,
    short,
    verdict_line,
)

# A log is read afterwards: what a step waits for is told this seldom, in seconds.
QUIET = 5.0

_FAILED: Mapping[FailureKind, str] = {
    "failed": "FAILED",
    "refused": "REFUSED",
    "superseded": "SUPERSEDED",
    "timed-out": "TIMED OUT",
    "interrupted": "INTERRUPTED",
}


class PlainLines:
    """Writes what happens as it happens; times of day are UTC.

    What a step is doing is told when it changes, and at most every five seconds a step.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._told: dict[str, tuple[str, datetime]] = {}
        self._held: dict[str, str] = {}

    def __call__(self, run: Run, record: Record) -> None:
        """Writes the event's line, if it has one, and what was held back long enough."""
        event = record.event
        if isinstance(event, events.StepProgressed):
            self._held[event.step] = clean(event.message)
        elif event.step:
            self._held.pop(event.step, None)
        self._tell_held(event.at)
        for line in _lines(event, run):
            self._put(event.at, line)

    def _tell_held(self, now: datetime) -> None:
        for step, message in list(self._held.items()):
            last, at = self._told.get(step, ("", None))
            if message and message != last and at and (now - at).total_seconds() < QUIET:
                continue
            del self._held[step]
            if message and message != last:
                self._told[step] = (message, now)
                self._put(now, f"{clean(step)} {message}")

    def _put(self, at: datetime, line: str) -> None:
        put(self._out, f"{at:%H:%M:%S} {line}")


@singledispatch
def _lines(event: Event, run: Run) -> list[str]:  # noqa: ARG001 - an event that has no words of its own yet
    return [f"{clean(event.step)} {type(event).__name__}".strip()]


@_lines.register
def _(event: events.RunStarted, run: Run) -> list[str]:
    steps = f"{len(event.steps)} step{'' if len(event.steps) == 1 else 's'}"
    return [
        f"run {clean(run.id)}: {clean(event.plan)} on {clean(event.environment)}, {steps}, by {clean(event.by)},"
        f" on {event.at:%Y-%m-%d} UTC",
        *base_image_lines(run),
    ]


@_lines.register
def _(event: events.AvailabilityMeasured, run: Run) -> list[str]:  # noqa: ARG001
    return availability_lines(event.services)


@_lines.register
def _(event: events.RunResumed, run: Run) -> list[str]:
    how = "is undone" if event.undo else "resumed"
    return [f"run {clean(run.id)} {how} by {clean(event.by)}, on {event.at:%Y-%m-%d} UTC"]


@_lines.register
def _(event: events.LockTaken, run: Run) -> list[str]:
    return [f"{clean(event.environment)} locked for run {clean(run.id)} (fence {event.fence})"]


@_lines.register
def _(event: events.LockTakenOver, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.environment)} taken over from run {clean(event.from_run)}: {clean(event.reason)}"]


@_lines.register
def _(event: events.StepStarted, run: Run) -> list[str]:
    again = run.steps[event.step].attempts > 1 if event.step in run.steps else False
    return [f"{clean(event.step)} started{' again' if again else ''}"]


@_lines.register
def _(event: events.StepObserved, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} will change: {short(event.change)}"] if event.change else []


@_lines.register
def _(event: events.StepProgressed, run: Run) -> list[str]:  # noqa: ARG001 - told by PlainLines, which counts the time
    return []


@_lines.register
def _(event: events.StepRetried, run: Run) -> list[str]:  # noqa: ARG001
    again = f"again in {duration(event.delay)}"
    return [f"{clean(event.step)} attempt {event.attempt} failed, {again}: {clean(event.reason)}"]


@_lines.register
def _(event: events.StepSucceeded, run: Run) -> list[str]:  # noqa: ARG001
    attempts = f" at attempt {event.attempt}" if event.attempt > 1 else ""
    return [f"{clean(event.step)} done in {duration(event.seconds)}{attempts}  {facts(event.outputs)}".rstrip()]


@_lines.register
def _(event: events.StepUnchanged, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} unchanged after {duration(event.seconds)}  {facts(event.outputs)}".rstrip()]


@_lines.register
def _(event: events.StepFailed, run: Run) -> list[str]:  # noqa: ARG001
    how = _FAILED.get(event.kind, "FAILED")
    return [f"{clean(event.step)} {how} after {duration(event.seconds)}: {clean(event.reason)}"]


@_lines.register
def _(event: events.StepInDoubt, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} IN DOUBT after {duration(event.seconds)}: {clean(event.reason)}"]


@_lines.register
def _(event: events.StepOutdated, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} is out of date and runs again: {clean(event.reason)}"]


@_lines.register
def _(event: events.StepSkipped, run: Run) -> list[str]:  # noqa: ARG001
    # Counted at the end: a line for each would push the one that matters out of sight.
    return []


@_lines.register
def _(event: events.RollbackStarted, run: Run) -> list[str]:
    # What was asked for did not fail.
    return [f"rolling back: {clean(event.reason) if run.undo else brief_reason(event.reason, run)}"]


@_lines.register
def _(event: events.StepCompensated, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} restored in {duration(event.seconds)}"]


@_lines.register
def _(event: events.StepLeftAsIs, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} left as is: {short(event.remains)}"]


@_lines.register
def _(event: events.CompensationFailed, run: Run) -> list[str]:  # noqa: ARG001
    return [f"{clean(event.step)} NOT RESTORED after {duration(event.seconds)}: {clean(event.reason)}"]


@_lines.register
def _(event: events.HookFinished, run: Run) -> list[str]:  # noqa: ARG001
    reason = f": {clean(event.reason)}" if event.reason else ""
    return [f"hook {clean(event.hook)} ended with exit {event.exit_code} after {duration(event.seconds)}{reason}"]


@_lines.register
def _(event: events.RollbackFinished, run: Run) -> list[str]:
    if not event.differs:
        what = "everything else" if event.left else "everything"
        return [f"rollback finished: {what} is back as it was found"]
    return ["ROLLBACK INCOMPLETE", *difference_lines(run)]


@_lines.register
def _(event: events.RunFinished, run: Run) -> list[str]:  # noqa: ARG001
    skipped = sum(step.status == "skipped" for step in run.steps.values())
    rest = [f"{skipped} of {len(run.steps)} steps were not run"] if skipped else []
    # What a rollback left was told when it finished.
    return [*rest, *(() if run.differs else difference_lines(run)), verdict_line(run)]
