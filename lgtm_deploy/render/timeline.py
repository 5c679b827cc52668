"""A run afterwards: what took how long, what decided it, and what failed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TextIO

from rich.cells import cell_len
from rich.text import Text

from lgtm_deploy.core import event as events
from lgtm_deploy.core.critical_path import CriticalPath, critical_path
from lgtm_deploy.core.event import Record
from lgtm_deploy.core.run import Run, StepRun
from lgtm_deploy.render.sheet import cell, folded, line, show, within
from lgtm_deploy.render.text import (
    STATES,
    availability_lines,
    base_image_lines,
    clean,
    difference_lines,
    duration,
    left_lines,
    stopwatch,
    verdict_line,
    verdict_style,
)

_LONGEST_NAME = 37
_TIME = 8
_NARROWEST_BAR = 8
_FAILURES = events.StepFailed | events.StepInDoubt | events.CompensationFailed
_WORK, _LATE, _REST = "█", "░", " "


def print_timeline(records: Sequence[Record], out: TextIO) -> None:
    """Writes what is known of the run that these records tell of."""
    show(lambda width: timeline(records, width), out)


def timeline(records: Sequence[Record], width: int) -> list[Text]:
    """The run's table, its critical path, its failures and its verdict, in lines of at most `width` cells."""
    if not records:
        return [line("Nothing is recorded of this run.")]
    run = Run(id=records[0].run).folded(record.event for record in records)
    path = critical_path(run)
    turned = next((record.event.at for record in records if isinstance(record.event, events.RollbackStarted)), None)
    if turned:
        # How long it could have taken is not the question of a run that failed.
        path = replace(path, links=())
    lines = [
        *_heading(run, width),
        *_table(run, path, width),
        *(_rollback(run, records, turned, width) if turned else _path(path, width)),
        line(),
        *_failures(run, records, width),
        *(each for told in availability_lines(run.availability) for each in folded(told, width)),
        *(each for left in left_lines(run) for each in folded(left, width, "yellow")),
        *(each for difference in difference_lines(run) for each in folded(difference, width, "red")),
        *folded(verdict_line(run), width, verdict_style(run)),
    ]
    return within(lines, width)


def _heading(run: Run, width: int) -> Iterator[Text]:
    started = f", {run.started:%Y-%m-%d %H:%M:%S} UTC" if run.started else ""
    by = f", by {clean(run.by)}" if run.by else ""
    yield line(cell(f"run {clean(run.id)}: {clean(run.plan)} on {clean(run.environment)}{started}{by}", width, "bold"))
    for each in base_image_lines(run):
        yield from folded(each, width, "dim")


def _table(run: Run, path: CriticalPath, width: int) -> Iterator[Text]:
    steps = sorted(run.steps.values(), key=lambda step: (step.started is None, step.started or run.started))
    names = max((cell_len(clean(step.id)) for step in steps), default=4)
    name_width = min(max(names, 4), _LONGEST_NAME, max(width // 2, 4))
    word_width = max([5, *(cell_len(STATES[step.status].word) for step in steps)])
    bar_width = width - name_width - 2 - word_width - 2 * _TIME - 5
    on_path = {link.step for link in path.links}
    yield line(
        cell(" ", 1),
        cell("step", name_width, "dim"),
        cell("state", word_width, "dim"),
        cell("start", _TIME, "dim", right=True),
        cell("took", _TIME, "dim", right=True),
    )
    for step in steps:
        state = STATES[step.status]
        took = stopwatch(step.seconds) if step.finished else ""
        yield line(
            cell("*" if step.id in on_path else " ", 1, "bold"),
            cell(clean(step.id), name_width, "bold" if step.id in on_path else ""),
            cell(state.word, word_width, state.style),
            cell(_offset(step, run), _TIME, right=True),
            cell(took, _TIME, right=True),
            cell(_bar(step, run, path.wall, bar_width), max(bar_width, 0), state.style),
        )


def _offset(step: StepRun, run: Run) -> str:
    if not step.started or not run.started:
        return ""
    return "+" + stopwatch((step.started - run.started).total_seconds())


def _bar(step: StepRun, run: Run, wall: float, width: int) -> str:
    """When the step ran within the run; the lighter end is when the world had changed and nobody had noticed."""
    if width < _NARROWEST_BAR or wall <= 0 or not (step.started and step.finished and run.started):
        return ""

    def place(at: datetime) -> int:
        return min(max(round((at - began).total_seconds() / wall * width), 0), width)

    began = run.started
    left = min(place(step.started), width - 1)
    right = max(place(step.finished), left + 1)
    turn = min(max(place(step.since), left), right) if step.since else right
    return _REST * left + _WORK * (turn - left) + _LATE * (right - turn)


def _path(path: CriticalPath, width: int) -> Iterator[Text]:
    if not path.links:
        return
    yield line()
    chain = " > ".join(f"{clean(link.step)} {duration(link.work)}" for link in path.links)
    yield from folded(f"critical path (*): {chain}", width)
    ratio = f" = {path.ratio:.2f} x critical path {duration(path.seconds)}" if path.ratio is not None else ""
    yield from folded(
        f"wall {duration(path.wall)}{ratio}; noticed late {duration(path.late)}, idle {duration(path.idle)}", width
    )


def _rollback(run: Run, records: Sequence[Record], turned: datetime, width: int) -> Iterator[Text]:
    ended = run.finished or records[-1].event.at
    began = run.started or turned
    yield line()
    until = "undone" if run.undo else "failed"
    yield from folded(
        f"{until} after {duration((turned - began).total_seconds())},"
        f" rollback {duration((ended - turned).total_seconds())}",
        width,
    )


def _failures(run: Run, records: Sequence[Record], width: int) -> Iterator[Text]:
    for record in records:
        event = record.event
        # What the verdict says again is not said twice.
        if isinstance(event, _FAILURES) and clean(event.reason) not in clean(run.reason):
            what = _failure(event)
            yield from folded(f"{event.at:%H:%M:%S} {clean(event.step)} {what}: {clean(event.reason)}", width, "red")


def _failure(event: events.StepFailed | events.StepInDoubt | events.CompensationFailed) -> str:
    if isinstance(event, events.StepFailed):
        return event.kind
    return "in doubt" if isinstance(event, events.StepInDoubt) else "not restored"
