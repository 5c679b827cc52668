"""Undoing what a run has changed, last first."""

from collections.abc import Callable

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.run import Run, StepRun
from lgtm_deploy.engine.drive import Drive, Voice
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.stop import Stop

Undone = tuple[str, float]


def roll_back(job: Job, reason: str) -> Run:
    """Compensates every step that acted, in reverse order of completion; independent chains go side by side.

    A compensation that fails is written down and does not keep the others from being tried. A first request to stop is
    not heeded here: half a rollback is worse than a late one.
    """
    stop = job.stop.apart()
    job.ledger.write(events.RollbackStarted(at=job.clock.now(), reason=reason))
    acted = sorted((step for step in job.run.steps.values() if _to_undo(step)), key=lambda step: -step.order)

    def start(identifier: str) -> tuple[None, Callable[[Voice], Undone]]:
        return None, lambda voice: _undo(job, identifier, stop, voice)

    def end(identifier: str, undone: Undone) -> tuple[Event, bool]:
        wrong, seconds = undone
        at = job.clock.now()
        if wrong:
            return events.CompensationFailed(at=at, step=identifier, seconds=seconds, reason=wrong), True
        return events.StepCompensated(at=at, step=identifier, seconds=seconds), True

    after = _all_dependents(job.graph)
    Drive(ledger=job.ledger, parallelism=job.parallelism, start=start, end=end).run(
        {step.id: after[step.id] for step in acted}
    )
    differs = tuple(f"{step.id}: {step.message}" for step in job.run.steps.values() if step.status == "not-compensated")
    job.ledger.write(events.RollbackFinished(at=job.clock.now(), differs=differs))
    return job.run


def _to_undo(step: StepRun) -> bool:
    return step.acted and step.seen is not None


def _undo(job: Job, identifier: str, stop: Stop, voice: Voice) -> Undone:
    began = job.clock.monotonic()
    step = job.run.steps[identifier]
    attempts = job.attempts(job.graph.nodes[identifier], step.inputs, stop, voice)
    wrong = attempts.undone(step.seen or {})
    return wrong, round(job.clock.monotonic() - began, 3)


def _all_dependents(graph: Graph) -> dict[str, set[str]]:
    """Everything that comes after a node, near or far."""
    near = graph.dependents()
    found: dict[str, set[str]] = {}
    for node in reversed(list(graph.nodes)):
        found[node] = set(near[node]).union(*(found[each] for each in near[node]))
    return found
