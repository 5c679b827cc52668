"""Which chain of steps decided how long a run took."""

from dataclasses import dataclass
from datetime import datetime

from lgtm_deploy.core.run import Run, StepRun


@dataclass(frozen=True, kw_only=True)
class Link:
    """One step of the chain, in seconds: `work` until the world had changed, `late` until that was noticed."""

    step: str
    work: float
    late: float


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """The longest chain of a run by work, in seconds. `idle` is the time in which no step ran at all."""

    links: tuple[Link, ...]
    wall: float
    idle: float

    @property
    def seconds(self) -> float:
        """The chain's work."""
        return sum(link.work for link in self.links)

    @property
    def late(self) -> float:
        """How much of the wall time the chain's steps took to notice what was already so."""
        return sum(link.late for link in self.links)

    @property
    def ratio(self) -> float | None:
        """Wall time over the chain's work; None where there was no work."""
        return self.wall / self.seconds if self.seconds > 0 else None


def critical_path(run: Run) -> CriticalPath:
    """The chain of finished steps, joined by `needs`, with the most work.

    A step's work is its wall time up to `since`, the moment from which the world had changed, where that is known; what
    is left of its wall time is late noticing.
    """
    finished = sorted((step for step in run.steps.values() if step.finished), key=lambda step: step.order)
    best: dict[str, float] = {}
    before: dict[str, str] = {}
    for step in finished:
        # What a step needed has finished before it, so one pass in the order of completion is enough.
        chained = [need for need in step.needs if need in best]
        longest = max(chained, key=lambda need: (best[need], run.steps[need].order), default="")
        before[step.id] = longest
        best[step.id] = _link(step).work + best.get(longest, 0.0)
    links: list[Link] = []
    at = max(best, key=lambda step: (best[step], run.steps[step].order), default="")
    while at:
        links.append(_link(run.steps[at]))
        at = before[at]
    return CriticalPath(links=tuple(reversed(links)), wall=_wall(run), idle=_idle(run, finished))


def _link(step: StepRun) -> Link:
    seconds = step.seconds
    if not seconds and step.started and step.finished:
        seconds = max((step.finished - step.started).total_seconds(), 0.0)
    late = (step.finished - step.since).total_seconds() if step.since and step.finished else 0.0
    late = min(max(late, 0.0), seconds)
    return Link(step=step.id, work=seconds - late, late=late)


def _end(run: Run) -> datetime | None:
    return run.finished or max((step.finished for step in run.steps.values() if step.finished), default=None)


def _wall(run: Run) -> float:
    end = _end(run)
    if run.seconds or run.started is None or end is None:
        return run.seconds
    return max((end - run.started).total_seconds(), 0.0)


def _idle(run: Run, finished: list[StepRun]) -> float:
    end = _end(run)
    if run.started is None or end is None:
        return 0.0
    covered, reached = 0.0, run.started
    for step in sorted(finished, key=lambda step: step.started or step.finished or end):
        began, ended = step.started or step.finished, step.finished
        if began and ended and ended > reached:
            covered += (ended - max(began, reached)).total_seconds()
            reached = ended
    return max((end - run.started).total_seconds() - covered, 0.0)
