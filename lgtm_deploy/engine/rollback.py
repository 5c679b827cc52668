"""Undoing what a run has changed, in the one order that keeps a passing health check under every task."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import DeadlineError, DeployError, InterruptedRunError
from lgtm_deploy.core.event import Event, Verdict
from lgtm_deploy.core.gate import LeftAsIs, Open, Shut
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.run import UNDONE, Run
from lgtm_deploy.core.step import Action
from lgtm_deploy.core.values import typed
from lgtm_deploy.core.verdict import Conclusion, went_back
from lgtm_deploy.engine.closing import HookRunner, run_hooks
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.quiescence import quiesce
from lgtm_deploy.engine.readback import read_back
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler
from lgtm_deploy.engine.step_runner import Restored

_Later = (InterruptedRunError, DeadlineError)
# Marks the first half of a step's undoing among the jobs of a rollback.
_RETREAT = " (retreat)"


@dataclass(frozen=True, kw_only=True)
class Undone:
    """How undoing a step ended; `later` says why that is not known yet."""

    seconds: float
    end: Restored = field(default_factory=lambda: Open(outputs=None))
    later: DeployError | None = None


def roll_back(job: Job, reason: str, hook: HookRunner) -> Conclusion:
    """Compensates every step that acted, in reverse order; independent chains go side by side.

    A compensation that fails is written down and does not keep the others from being tried, but for those that would
    do harm without it. Then come the plan's hooks, which may bring back what no step knows of. In the end all of it is
    read once more and compared with what was recorded. A first request to stop is not heeded here: half a rollback is
    worse than a late one. Whoever insists, or whose credentials have expired, goes on later from where it is.
    """
    job.writer.commit(events.RollbackStarted(at=job.clock.now(), reason=reason))
    way = _WayBack(job)
    try:
        way.go()
        run_hooks(job, hook, "rollback")
        read_back(job)
    except _Later as error:
        return _to_go_on(reason, error)
    steps = job.run.steps.values()
    differs = tuple(f"{step.id}: {step.message}" for step in steps if step.status == "not-compensated")
    differs += tuple(f"{step}: was left out of the rollback" for step in way.left())
    left = tuple(f"{step.id}: {step.remains}" for step in steps if step.status == "left-as-is")
    job.writer.commit(events.RollbackFinished(at=job.clock.now(), differs=differs, left=left))
    return went_back(job.run)


def go_on_back(job: Job, reason: str, hook: HookRunner) -> Conclusion:
    """The same of a rollback that another process began: what that one had under way is waited for first."""
    try:
        quiesce(job)
    except InterruptedRunError as error:
        return _to_go_on(reason, error)
    return roll_back(job, reason, hook)


def _to_go_on(reason: str, error: DeployError) -> Conclusion:
    verdict: Verdict = "interrupted" if isinstance(error, InterruptedRunError) else "timed-out"
    return Conclusion(verdict=verdict, reason=f"on the way back ({reason}): {error}")


def tidy(job: Job) -> Run:
    """Removes what served the run only, where the run has ended and what it changed is left as it is."""
    with contextlib.suppress(*_Later):
        _WayBack(job, lambda step: getattr(job.steps[step], "temporary", False)).go()
    return job.run


class _WayBack:
    """What is undone, and when.

    Usually what came last is undone first. Where the earlier image passes the earlier health check only, and the new
    one the new check only, that would leave the tasks that run without a passing check: there the deployments are sent
    back first, the check follows once the earlier tasks answer, and only then are the deployments waited for. What the
    check was given for that time, such as a higher threshold, goes last.
    """

    def __init__(self, job: Job, admits: Callable[[str], bool] = lambda _: True) -> None:
        self._job = job
        self._stop = job.stop.shield()
        self._later: list[DeployError] = []
        self._stranded: dict[str, str] = {}
        """Steps that could not be sent back -> why."""
        self._after: dict[str, set[str]] = _all_dependents(job.graph)
        newest_first = sorted(job.run.steps.values(), key=lambda step: -step.order)
        self._acted = {
            step.id: step for step in newest_first if step.acted and step.seen is not None and admits(step.id)
        }
        self._retreats = {
            step: {check for check in self._after[step] & self._acted.keys() if self._follows(check)}
            for step in self._acted
            if getattr(job.steps[step], "retreats", False)
        }

    def go(self) -> None:
        """Undoes all of it. Raises InterruptedRunError and DeadlineError when the rest has to be undone later."""
        Scheduler(
            writer=self._job.writer,
            parallelism=self._job.parallelism,
            start=self.start,
            end=self.end,
            may_start=lambda: not (self._later or self._stop.cancelled),
        ).run(self.order())
        if self._later:
            raise self._later[0]
        if self.left():
            self._stop.check(patient=False)

    def order(self) -> dict[str, set[str]]:
        """Each undoing, to those that come before it; `_retreat(step)` is the first half of a step's."""
        order = {step: set(self._after[step]) for step in self._acted}
        for step, checks in self._retreats.items():
            if checks:
                # What lies between the two is undone after the check's first half: it does not wait for it here.
                between = {each for each in self._after[step] if self._after[each] & checks}
                order[_retreat(step)] = self._after[step] - checks - between
                for check in checks:
                    order.setdefault(_retreat(check), set(self._after[check])).add(_retreat(step))
                    order[check] |= {step, _retreat(check)}
                for each in between & order.keys() | {step}:
                    order[each] = {_retreat(name) if name in checks else name for name in order[each]}
                order[step].add(_retreat(step))
        return order

    def left(self) -> list[str]:
        """Steps that nobody has tried to undo: none, unless they wait for each other."""
        steps = self._job.run.steps
        return [step for step in self._acted if steps[step].status not in UNDONE]

    def start(self, name: str) -> tuple[None, Callable[[EventRecorder], Undone]]:
        """The job that undoes it."""
        identifier = _step_of(name)
        kept = {identifier} | {step for step, checks in self._retreats.items() if identifier in checks}
        stranded = [step for step in self._stranded if step in kept]
        if stranded:
            why = self._stranded[stranded[0]]
            wrong = why if stranded[0] == identifier else f"left as it is: {stranded[0]} could not go back"
            return None, lambda _: Undone(end=Shut(reason=wrong), seconds=0.0)
        return None, lambda recorder: self._undo(identifier, recorder, retreat=name != identifier)

    def end(self, name: str, undone: Undone) -> tuple[Event, bool]:
        """What is written down of it."""
        wrong, seconds = undone.end.reason if isinstance(undone.end, Shut) else "", undone.seconds
        at, identifier = self._job.clock.now(), _step_of(name)
        if undone.later:
            self._later.append(undone.later)
            return events.StepProgressed(at=at, step=identifier, message=f"to be undone later: {undone.later}"), False
        if name != identifier:
            if wrong:
                self._stranded[identifier] = wrong
            message = wrong or (
                "the earlier tasks answer" if identifier in self._retreats else "the earlier check counts"
            )
            return events.StepProgressed(at=at, step=identifier, message=message), True
        if wrong:
            return events.CompensationFailed(at=at, step=identifier, seconds=seconds, reason=wrong), True
        if isinstance(undone.end, LeftAsIs):
            remains = undone.end.remains or f"not undone: {self._acted[identifier].change}"
            return events.StepLeftAsIs(at=at, step=identifier, seconds=seconds, remains=remains), True
        return events.StepCompensated(at=at, step=identifier, seconds=seconds), True

    def _follows(self, identifier: str) -> bool:
        step = self._job.steps[identifier]
        return isinstance(step, Action) and step.follows_retreat(typed(step.takes, self._acted[identifier].inputs))

    def _undo(self, identifier: str, recorder: EventRecorder, *, retreat: bool) -> Undone:
        began = self._job.clock.monotonic()
        step = self._job.run.steps[identifier]
        runner = self._job.step_runner(self._job.graph.nodes[identifier], step.inputs, self._stop, recorder)
        undone = Undone(seconds=0.0)
        try:
            undone = replace(undone, end=runner.undone(step.seen or {}, retreat=retreat))
        except _Later as error:
            undone = replace(undone, later=error)
        return replace(undone, seconds=round(self._job.clock.monotonic() - began, 3))


def _retreat(step: str) -> str:
    return f"{step}{_RETREAT}"


def _step_of(name: str) -> str:
    return name.removesuffix(_RETREAT)


def _all_dependents(graph: Graph) -> dict[str, set[str]]:
    """Everything that comes after a node, near or far."""
    near = graph.dependents()
    found: dict[str, set[str]] = {}
    for node in reversed(list(graph.nodes)):
        found[node] = set(near[node]).union(*(found[each] for each in near[node]))
    return found
