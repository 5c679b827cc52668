"""Watching gates side by side, each to its own end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import DeployError, InterruptedRunError
from lgtm_deploy.core.event import Event
from lgtm_deploy.core.gate import Gate, Open, Shut
from lgtm_deploy.core.ports import Clock
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler
from lgtm_deploy.engine.waiting import poll


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Gates by name, each as one look at it; `seconds` is how long they are watched at the most."""

    gates: Mapping[str, Callable[[], Gate[Any]]]
    seconds: float
    writer: JournalWriter
    clock: Clock
    stop: CancellationToken


def watch(watched: Watch) -> Run:
    """Watches every gate until it opens, shuts or runs out of time: one that shuts stops none of the others."""
    clock = watched.clock
    began = clock.monotonic()

    def start(name: str) -> tuple[Event, Callable[[EventRecorder], Open[Any] | Shut]]:
        return events.StepStarted(at=clock.now(), step=name), lambda recorder: _watch(watched, name, began, recorder)

    def end(name: str, gate: Open[Any] | Shut) -> tuple[Event, bool]:
        return _event(watched, name, began, gate), True

    names: dict[str, tuple[str, ...]] = dict.fromkeys(watched.gates, ())
    Scheduler(writer=watched.writer, parallelism=max(len(names), 1), start=start, end=end).run(names)
    return watched.writer.run


def _watch(watched: Watch, name: str, began: float, recorder: EventRecorder) -> Open[Any] | Shut:
    said = ""

    def tell(message: str) -> None:
        nonlocal said
        if message != said:
            said = message
            recorder.record(events.StepProgressed(at=watched.clock.now(), step=name, message=message))

    try:
        return poll(
            watched.gates[name],
            deadline=began + watched.seconds,
            seconds=watched.seconds,
            monotonic=watched.clock.monotonic,
            pause=watched.stop.pause,
            tell=tell,
        )
    except InterruptedRunError as error:
        return Shut(reason=f"{error}; {said}" if said else str(error), kind="interrupted")
    except DeployError as error:
        return Shut(reason=str(error))


def _event(watched: Watch, name: str, began: float, gate: Open[Any] | Shut) -> Event:
    at, seconds = watched.clock.now(), round(watched.clock.monotonic() - began, 3)
    if isinstance(gate, Open):
        outputs = {"digest": gate.outputs}
        return events.StepSucceeded(at=at, step=name, attempt=1, seconds=seconds, outputs=outputs, since=gate.since)
    return events.StepFailed(
        at=at, step=name, attempt=1, seconds=seconds, reason=gate.reason, kind=gate.kind, acted=False
    )
