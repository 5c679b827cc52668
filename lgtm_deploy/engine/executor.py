"""Running a plan's graph forwards."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import Event, LockTakenOver
from lgtm_deploy.core.graph import Graph, Node
from lgtm_deploy.core.outcome import Failed, InDoubt, Outcome, Succeeded, Unchanged
from lgtm_deploy.core.output import VARIABLES, UnknownYetError, proofs_of, resolved
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.ports import Clock, Noted
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.step import Effect, Step
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.gates import DONE, gates_to_recheck
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler
from lgtm_deploy.engine.step_runner import StepCallbacks, StepRequest, StepRunner


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything that running one plan in one environment needs. `stack_inputs` are the values of the stack file that
    it stands on, `base_images` the origins of base images in a sandbox, `deadline` is on the monotonic clock.

    `guard` raises LockLostError when the environment is not the run's any more; `takeover` is set when it was taken
    from a holder that showed no sign of life. `closing` gives what else is to be written down before the
    verdict. `turns` names the step that a step waits for beside its needs, and the order is checked against `stack`
    (core/order.py).
    """

    plan: Plan
    graph: Graph
    steps: Mapping[str, Step]
    writer: JournalWriter
    clock: Clock
    stop: CancellationToken
    environment: str
    variables: Mapping[str, str] = field(default_factory=dict)
    stack_inputs: Mapping[str, str] = field(default_factory=dict)
    base_images: Mapping[str, str] | None = None
    parallelism: int = 10
    deadline: float | None = None
    guard: Callable[[], None] = lambda: None
    takeover: LockTakenOver | None = None
    closing: Callable[[], Sequence[Event]] = tuple
    turns: Mapping[str, str] = field(default_factory=dict)
    stack: Stack | None = None

    @property
    def run(self) -> Run:
        """The run so far."""
        return self.writer.run

    def result(self, step: str, foreseen: Mapping[str, Any] = MappingProxyType({})) -> Any:
        """Return the result of a step that has run, or that is `foreseen`. Raises UnknownYetError for any other."""
        if step == VARIABLES:
            return self.variables
        if step in foreseen:
            return foreseen[step]
        if self.run.steps[step].status not in DONE:
            raise UnknownYetError(step)
        return self.run.steps[step].outputs

    def inputs(self, node: Node, foreseen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the node's inputs as plain data; with `foreseen` results for a preview, without its proofs.

        Raises UnknownYetError.
        """
        inputs, result = node.inputs, self.result
        if foreseen is not None:
            inputs = replace(inputs, **dict.fromkeys(proofs_of(inputs), ()))
            result = partial(self.result, foreseen=foreseen)
        found: dict[str, Any] = resolved(inputs, result)
        return found

    def step_runner(
        self, node: Node, inputs: Mapping[str, Any], stop: CancellationToken, recorder: EventRecorder
    ) -> StepRunner:
        """Return the runner of the node, for a worker thread."""
        known = self.run.steps[node.id]
        step = self.steps[node.id]
        request = StepRequest(
            step=step,
            inputs=typed(step.takes, inputs),
            retry=node.retry,
            timeout=node.timeout,
            acted=known.acted,
            seen=known.seen,
        )
        return StepRunner(
            request, clock=self.clock, stop=stop, callbacks=_callbacks(node.id, self.clock, recorder), guard=self.guard
        )

    def outdate(self, why: Mapping[str, str], *, again: bool = False) -> None:
        """Has these steps run again, in this order of writing; `again`: to give the same. Raises JournalError."""
        at = self.clock.now()
        self.writer.commit(
            *(events.StepOutdated(at=at, step=step, reason=reason, again=again) for step, reason in why.items())
        )


def execute(job: Job, within: Callable[[Node], bool] = lambda _: True, *, go_on: bool = False) -> Run:
    """Runs every node that `within` admits and that is not done, and returns when none is under way.

    Of a run that goes on, gates that somebody still depends on are looked through again.

    After a failure, or when asked to stop, nothing new starts, and what only waits or works on this machine ends. With
    `go_on` a failure keeps only what waits for the failed step from starting, unless somebody else is at work there.
    """
    halt = job.stop.child()
    if again := gates_to_recheck(job.graph, job.run, job.steps):
        job.outdate(again)

    def start(identifier: str) -> tuple[Event, Callable[[EventRecorder], "_Ending"]]:
        node = job.graph.nodes[identifier]
        inputs = job.inputs(node)
        return (
            events.StepStarted(at=job.clock.now(), step=identifier, inputs=inputs),
            lambda recorder: _run_step(job, node, inputs, halt, recorder),
        )

    def end(identifier: str, ending: _Ending) -> tuple[Event, bool]:
        failed = isinstance(ending.outcome, Failed | InDoubt)
        alone = not isinstance(ending.outcome, Failed) or ending.outcome.kind != "superseded"
        if failed and not job.stop.cancelled and not (go_on and alone):
            halt.cancel(f"{identifier} failed")
        return _event(job, identifier, ending), not failed

    def tick() -> None:
        if job.deadline is not None and job.clock.monotonic() > job.deadline:
            job.stop.cancel_now("the time allowed for the run is over", timed_out=True)

    order = {
        node.id: (*node.needs, *((job.turns[node.id],) if node.id in job.turns else ()))
        for node in job.graph.nodes.values()
        if job.run.steps[node.id].status not in DONE and within(node)
    }
    Scheduler(
        writer=job.writer,
        parallelism=job.parallelism,
        start=start,
        end=end,
        waits=lambda name: job.steps[name].effect is Effect.REMOTE,
        may_start=lambda: not halt.cancelled,
        tick=tick,
        abandon=lambda: halt.cancel("the run cannot be written down any more"),
    ).run(order)
    return job.run


@dataclass(frozen=True, kw_only=True)
class _Ending:
    outcome: Outcome
    attempt: int
    seconds: float


def _run_step(
    job: Job, node: Node, inputs: Mapping[str, Any], halt: CancellationToken, recorder: EventRecorder
) -> _Ending:
    began = job.clock.monotonic()
    runner = job.step_runner(node, inputs, halt, recorder)
    outcome = runner.outcome()
    return _Ending(outcome=outcome, attempt=runner.attempt, seconds=round(job.clock.monotonic() - began, 3))


def _callbacks(step: str, clock: Clock, recorder: EventRecorder) -> StepCallbacks:
    last = ""

    def progressed(message: str) -> None:
        nonlocal last
        if message != last:
            last = message
            facts = message.facts if isinstance(message, Noted) else None
            recorder.record(events.StepProgressed(at=clock.now(), step=step, message=str(message), facts=facts))

    def observed(seen: Mapping[str, Any], change: str) -> None:
        recorder.record_durably(events.StepObserved(at=clock.now(), step=step, seen=seen, change=change))

    def retried(attempt: int, reason: str, delay: float) -> None:
        recorder.record(events.StepRetried(at=clock.now(), step=step, attempt=attempt, reason=reason, delay=delay))

    return StepCallbacks(progressed=progressed, observed=observed, retried=retried)


def _event(job: Job, step: str, ending: _Ending) -> Event:
    at, attempt, seconds = job.clock.now(), ending.attempt, ending.seconds
    match ending.outcome:
        case Succeeded(outputs=outputs, since=since):
            return events.StepSucceeded(
                at=at, step=step, attempt=attempt, seconds=seconds, outputs=outputs, since=since
            )
        case Unchanged(outputs=outputs):
            return events.StepUnchanged(at=at, step=step, seconds=seconds, outputs=outputs)
        case InDoubt(reason=reason):
            return events.StepInDoubt(at=at, step=step, attempt=attempt, seconds=seconds, reason=reason)
        case Failed(reason=reason, kind=kind, acted=acted):
            return events.StepFailed(
                at=at, step=step, attempt=attempt, seconds=seconds, reason=reason, kind=kind, acted=acted
            )
