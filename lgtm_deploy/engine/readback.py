"""Is the state that a run found still there, once all of its way back is over?"""

from collections.abc import Callable

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event
from lgtm_deploy.core.gate import Shut
from lgtm_deploy.core.run import UNDONE, StepRun
from lgtm_deploy.core.step import Action
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler

Found = tuple[str, float]


def read_back(job: Job) -> None:
    """Compares what is there with what was recorded, and writes down what differs.

    Each step has read its own part back when it was undone: since then, somebody else or a later part of the way back
    may have changed it. Raises InterruptedRunError and DeadlineError when it cannot be told now.
    """
    looked = recorded_first(job)
    stop = job.stop.shield()

    def start(name: str) -> tuple[None, Callable[[EventRecorder], Found]]:
        known = looked[name]

        def look(recorder: EventRecorder) -> Found:
            began = job.clock.monotonic()
            end = job.step_runner(job.graph.nodes[name], known.inputs, stop, recorder).read_back(known.seen or {})
            return end.reason if isinstance(end, Shut) else "", round(job.clock.monotonic() - began, 3)

        return None, look

    def end(name: str, found: Found) -> tuple[Event, bool]:
        wrong, seconds = found
        at = job.clock.now()
        if wrong:
            reason = f"it was back, and is not any more: {wrong}"
            return events.CompensationFailed(at=at, step=name, seconds=seconds, reason=reason), True
        return events.StepProgressed(at=at, step=name, message="is as it was found"), True

    order: dict[str, tuple[str, ...]] = dict.fromkeys(looked, ())
    Scheduler(writer=job.writer, parallelism=job.parallelism, start=start, end=end).run(order)


def recorded_first(job: Job) -> dict[str, StepRun]:
    """The steps whose changes are back, as far as what they had seen is the start state: of several that change the
    same thing, the first."""
    found: dict[str, StepRun] = {}
    known_things: set[str] = set()
    for node in job.graph.nodes.values():
        step, known = job.steps[node.id], job.run.steps[node.id]
        if not isinstance(step, Action) or known.seen is None or type(step).restored is Action.restored:
            continue
        if known.status not in UNDONE:
            continue
        thing = step.thing(typed(step.takes, known.inputs))
        if thing not in known_things and known.status != "not-compensated":
            found[node.id] = known
        if thing:
            known_things.add(thing)
    return found
