"""The rows of the live table: what each step is doing, and which steps are shown when there are too many."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from rich.cells import cell_len
from rich.text import Text

from lgtm_deploy.core.run import Run, StepRun
from lgtm_deploy.render.sheet import cell, line
from lgtm_deploy.render.text import RESTORING, STATES, STOPPED, State, clean, facts, short, stopwatch

_LONGEST_NAME = 30
_TIME = 7
_AT_WORK = (STATES["running"], RESTORING)
_LOUD = (*_AT_WORK, STATES["failed"], STATES["in-doubt"], STATES["not-compensated"])
_BROKEN = frozenset({"failed", "in-doubt", "not-compensated"})


def state_of(step: StepRun, run: Run) -> State:
    """How the step stands; one that acted is being restored while the run rolls back."""
    if run.rolling_back and step.acted and step.status != "not-compensated":
        return RESTORING
    return STOPPED if step.status == "failed" and step.kind == "interrupted" else STATES[step.status]


def rows(run: Run, now: datetime, width: int, budget: int) -> list[Text]:
    """A line for each step, in at most `budget` lines: what is left out is counted in the last one.

    What a step at work waits for goes on in a second line when it is long and there is room.
    """
    steps = list(run.steps.values())
    shown = steps if len(steps) <= budget else _chosen(steps, run, max(budget - 1, 0))
    states = [state_of(step, run) for step in shown]
    name_width = min(
        max((cell_len(clean(step.id)) for step in shown), default=0), _LONGEST_NAME, max(width * 3 // 8, 8)
    )
    word_width = max((cell_len(state.word) for state in states), default=0)
    rest = max(width - 2 - word_width - 1 - name_width - 1 - _TIME - 1, 0)
    spare = budget - len(steps)
    found: list[Text] = []
    for step, state in zip(shown, states, strict=True):
        doing = _doing(step, state, run)
        below = spare > 0 and cell_len(doing) > rest and state in _AT_WORK
        found.append(
            line(
                cell(state.symbol, 1, state.style),
                cell(state.word, word_width, state.style),
                cell(clean(step.id), name_width),
                cell(_elapsed(step, state, run, now), _TIME, right=True),
                cell("" if below else doing, rest, "" if state in _LOUD else "dim"),
            )
        )
        if below:
            spare -= 1
            found.append(line(cell(f"    {doing}", width, state.style)))
    if len(shown) < len(steps) and budget > 0:
        found.append(_left_out(steps, shown, run, width))
    return found


def _chosen(steps: Sequence[StepRun], run: Run, room: int) -> list[StepRun]:
    """The steps most worth a line, in the plan's order: broken, at work, next, lately finished."""

    def rank(step: StepRun) -> tuple[int, int]:
        if step.status in _BROKEN:
            return 0, 0
        if state_of(step, run) in _AT_WORK:
            return 1, 0
        if step.status == "waiting":
            return (2 if _is_next(step, run) else 4), 0
        return 3, -step.order

    best = {step.id for step in sorted(steps, key=rank)[:room]}
    return [step for step in steps if step.id in best]


def _is_next(step: StepRun, run: Run) -> bool:
    return all(need in run.steps and run.steps[need].status != "waiting" for need in step.needs)


def _left_out(steps: Sequence[StepRun], shown: Sequence[StepRun], run: Run, width: int) -> Text:
    hidden = {step.id for step in steps} - {step.id for step in shown}
    words = Counter(state_of(step, run).word for step in steps if step.id in hidden)
    told = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return line(cell(f"  and {told}", width, "dim"))


def _elapsed(step: StepRun, state: State, run: Run, now: datetime) -> str:
    if step.status == "running" and step.started:
        return stopwatch(((run.finished or now) - step.started).total_seconds())
    return stopwatch(step.seconds) if step.finished and state is not RESTORING else ""


def _doing(step: StepRun, state: State, run: Run) -> str:
    if state is RESTORING:
        return short(step.message if step.status in {"succeeded", "unchanged"} else "") or f"undo: {short(step.change)}"
    if step.status == "waiting":
        needs = [short(need) for need in step.needs if need in run.steps and run.steps[need].finished is None]
        return f"after {', '.join(needs)}" if needs and run.verdict is None else ""
    if step.status == "running":
        again = f"attempt {step.attempts}: " if step.attempts > 1 else ""
        return f"{again}{short(step.message or step.change)}"
    if step.status in {"succeeded", "unchanged"}:
        return facts(step.outputs)
    return "" if step.status == "compensated" else short(step.message)
