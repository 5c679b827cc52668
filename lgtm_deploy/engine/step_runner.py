"""Runs one step with retries and a deadline, and restores it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, TypeVar

from lgtm_deploy.core.errors import (
    DeadlineError,
    DeployError,
    ExpiredCredentialsError,
    InDoubtError,
    InterruptedRunError,
    LockLostError,
    RefusedError,
    TransientError,
)
from lgtm_deploy.core.gate import LeftAsIs, Open, Shut, Waiting
from lgtm_deploy.core.outcome import Failed, InDoubt, Outcome, Succeeded, Unchanged
from lgtm_deploy.core.plan import RetryPolicy
from lgtm_deploy.core.ports import Clock
from lgtm_deploy.core.step import Action, Effect, Nothing, Step
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.retrying import repeatedly
from lgtm_deploy.engine.waiting import poll

_LOG = logging.getLogger(__name__)

ValueT = TypeVar("ValueT")

Restored = Open[Any] | LeftAsIs | Shut
"""How undoing a step ends."""

# So long an answer that says that something is not back may be wrong, in seconds.
_SURE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class StepCallbacks:
    """Functions that record what a step does. `observed` returns when the event is on disk."""

    progressed: Callable[[str], None]
    observed: Callable[[Mapping[str, Any], str], None]
    retried: Callable[[int, str, float], None]


@dataclass(frozen=True, kw_only=True)
class StepRequest:
    """One step to run. `acted`: an earlier process may have changed something for it, after the snapshot `seen`."""

    step: Step
    inputs: Any
    retry: RetryPolicy
    timeout: float
    acted: bool = False
    seen: Mapping[str, Any] | None = None


def plain(value: Any) -> dict[str, Any]:
    """Return the dataclass's values, for the journal."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else {}


class StepRunner:
    """Runs one step until it has an outcome, in a worker thread.

    `guard` raises LockLostError when nothing outside may be changed any more; it is asked before every change.
    """

    def __init__(
        self,
        request: StepRequest,
        *,
        clock: Clock,
        stop: CancellationToken,
        callbacks: StepCallbacks,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        self._request = request
        self._guard = guard
        self._clock = clock
        self._stop = stop
        self._callbacks = callbacks
        self._acted = request.acted
        self._first: Any = None
        # One for all attempts: a step that hangs must not hang once per attempt.
        self._deadline = clock.monotonic() + request.timeout
        self.attempt = 1

    def outcome(self) -> Outcome:
        """Run the step and return its outcome; never raise."""
        try:
            return self._repeatedly(self._once)
        except DeployError as error:
            self._log()
            return self._failure(error)
        except BaseException as error:  # a defect of a step, even SystemExit, must end the run in order, not hang it
            self._log()
            return Failed(reason=_defect(error), acted=self._acted)

    def _log(self) -> None:
        _LOG.debug("%s failed", type(self._request.step).__name__, exc_info=True)

    def _failure(self, error: DeployError) -> Outcome:
        if isinstance(error, ExpiredCredentialsError):
            # What was done cannot be undone without them either: the run waits for whoever logs in again.
            self._stop.end_run(error.message)
            error = InterruptedRunError(str(error))
        match error:
            case InterruptedRunError() | LockLostError() if self._acted:
                return InDoubt(reason=f"stopped on the way: {error}")
            case InterruptedRunError() | LockLostError():
                return Failed(reason=str(error), kind="interrupted")
            case InDoubtError():
                return InDoubt(reason=str(error))
            case RefusedError():
                return Failed(reason=str(error), kind="refused", acted=self._acted)
        return Failed(reason=str(error), acted=self._acted)

    def undone(self, seen: Mapping[str, Any], *, retreat: bool = False) -> Restored:
        """Compensate the step from what it had seen and wait until that is back, or has retreated; Shut says what is
        not.

        Raises LockLostError, InterruptedRunError when someone insists on stopping, and DeadlineError when credentials
        have expired: nobody knows yet whether the rest can be put back, and this run may not find out, or not now.
        """
        step, inputs = self._request.step, self._request.inputs
        if not isinstance(step, Action):
            return Open(outputs=None)

        def undo() -> Restored:
            before = typed(step.sees, seen)
            if not self._repeatedly(lambda: _is_back(step, inputs, before)):
                self._repeatedly(lambda: self._compensate(step, before, retreat=retreat))
            deadline = self._clock.monotonic() + self._request.timeout
            back = step.retreated if retreat else step.restored
            return self._poll(lambda: back(inputs, before), deadline=deadline)

        return self._ended(undo)

    def read_back(self, seen: Mapping[str, Any]) -> Restored:
        """Look once more, after everything is undone, whether what the step had seen is still back. Raises what
        `undone` raises."""
        step, inputs = self._request.step, self._request.inputs
        if not isinstance(step, Action):
            return Open(outputs=None)
        before = typed(step.sees, seen)
        # One answer may be out of date: AWS tells of changes a little later here and there.
        deadline = self._clock.monotonic() + min(self._request.timeout, _SURE_SECONDS)
        return self._ended(lambda: self._poll(lambda: step.restored(inputs, before), deadline=deadline))

    def _ended(self, restore: Callable[[], Restored]) -> Restored:
        """Return how that ended; an error is Shut with what it says."""
        try:
            return restore()
        except (LockLostError, InterruptedRunError):
            raise
        except ExpiredCredentialsError as error:
            raise DeadlineError(f"{error.message} The way back waits for that.", resolution=error.resolution) from error
        except DeployError as error:
            self._log()
            return Shut(reason=str(error))
        except BaseException as error:  # the other steps must still be compensated
            self._log()
            return Shut(reason=_defect(error))

    def _repeatedly(self, once: Callable[[], ValueT]) -> ValueT:
        return repeatedly(once, self._request.retry, self._stop, self._retried)

    def _retried(self, failed: int, reason: str, delay: float) -> None:
        self.attempt = failed + 1
        self._callbacks.retried(failed, reason, delay)

    def _once(self) -> Outcome:
        step, inputs = self._request.step, self._request.inputs
        if isinstance(step, Action):
            return self._act(step)
        gate: Open[Any] | Shut = self._poll(lambda: step.judge(inputs, step.look(inputs)), deadline=self._deadline)
        if isinstance(gate, Open):
            return Succeeded(outputs=plain(gate.outputs), since=gate.since)
        return Failed(reason=gate.reason, kind=gate.kind)

    def _poll(self, look: Callable[[], ValueT | Waiting], *, deadline: float) -> ValueT | Shut:
        return poll(
            look,
            deadline=deadline,
            seconds=self._request.timeout,
            monotonic=self._clock.monotonic,
            pause=self._stop.pause,
            tell=self._callbacks.progressed,
        )

    def _act(self, step: Action[Any, Any, Any]) -> Outcome:
        inputs = self._request.inputs
        seen = self._observe(step)
        proposal = step.propose(inputs, seen)
        if isinstance(proposal, Nothing):
            outputs = plain(proposal.outputs)
            # An earlier attempt made the change: it is done, and still has to be undone in a rollback.
            return Succeeded(outputs=outputs) if self._acted else Unchanged(outputs=outputs)
        if step.effect is Effect.REMOTE:
            self._callbacks.observed(plain(seen), proposal.summary)
            self._first = self._first or seen
            self._acted = True
            self._guard()
        try:
            return Succeeded(outputs=plain(step.apply(inputs, seen, self._progress(step))))
        except InDoubtError as error:
            return self._look_again(step, error)

    def _observe(self, step: Action[Any, Any, Any]) -> Any:
        seen = step.observe(self._request.inputs)
        if self._first is None and self._acted and self._request.seen is not None:
            self._first = typed(step.sees, self._request.seen)
        return seen if self._first is None else step.recall(seen, self._first)

    def _compensate(self, step: Action[Any, Any, Any], before: Any, *, retreat: bool) -> None:
        self._guard()
        undo = step.retreat if retreat else step.compensate
        try:
            undo(self._request.inputs, before, self._progress(step))
        except InDoubtError as error:
            # A rollback goes on: look whether it is back after all, and otherwise send it again, which does no harm.
            if not _is_back(step, self._request.inputs, before):
                raise TransientError(error.message) from error

    def _progress(self, step: Action[Any, Any, Any]) -> Callable[[str], None]:
        def progress(message: str) -> None:
            self._stop.check(patient=step.effect is Effect.REMOTE)
            if step.effect is Effect.REMOTE:
                self._guard()
            if self._late:
                raise InDoubtError(self._too_late) if self._acted else DeadlineError(self._too_late)
            if message:
                self._callbacks.progressed(message)

        return progress

    @property
    def _late(self) -> bool:
        return self._clock.monotonic() > self._deadline

    @property
    def _too_late(self) -> str:
        return f"not done after {self._request.timeout:g} s"

    def _look_again(self, step: Action[Any, Any, Any], error: InDoubtError) -> Outcome:
        """A change was sent and its answer never came: look whether it is there before it is sent again."""
        if self._stop.cancelled_now:
            # Whoever insists has no time for a look: that is for the one who goes on.
            raise error
        try:
            proposal = step.propose(self._request.inputs, self._repeatedly(lambda: self._observe(step)))
        except TransientError:
            raise error from None
        if isinstance(proposal, Nothing):
            return Succeeded(outputs=plain(proposal.outputs))
        if self._late:
            raise DeadlineError(f"{self._too_late}; what was sent has had no effect") from error
        raise TransientError(f"{error.message} It had no effect.") from error


def _is_back(step: Action[Any, Any, Any], inputs: Any, before: Any) -> bool:
    """Return whether there is nothing (more) to compensate."""
    return isinstance(step.restored(inputs, before), Open | LeftAsIs)


def _defect(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}" if frame else "?"
    return f"defect in lgtm-deploy: {type(error).__name__}: {error} ({where})"
