"""Polling a gate until it opens, shuts or runs out of time."""

from collections.abc import Callable
from typing import TypeVar

from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.gate import Shut, Waiting

EndT = TypeVar("EndT")

# So many looks in a row may fail in a way that can pass: reads already have the SDK's own adaptive retries behind them.
PATIENCE = 5
_SHORTEST = 0.05


def poll(
    look: Callable[[], EndT | Waiting],
    *,
    deadline: float,
    seconds: float,
    monotonic: Callable[[], float],
    pause: Callable[[float], None],
    tell: Callable[[str], None],
) -> EndT | Shut:
    """Looks until the gate is open or shut; past its deadline it is shut, with what it last waited for.

    The deadline is on the `monotonic` clock; `seconds` is how long that was in the beginning. `pause` sleeps and may
    raise InterruptedRunError; `tell` hears every reason.
    """
    failures = 0
    while True:
        try:
            gate = look()
            failures = 0
        except TransientError as error:
            failures += 1
            if failures >= PATIENCE:
                raise
            gate = Waiting(reason=str(error), poll_seconds=min(2.0**failures, 10.0))
        if not isinstance(gate, Waiting):
            return gate
        if monotonic() >= deadline:
            reason = f"after {seconds:g} s still: {gate.reason}"
            return Shut(reason=f"{reason}. {gate.resolution}" if gate.resolution else reason, kind="timed-out")
        tell(gate.reason)
        pause(min(_to_the_beat(gate.poll_seconds, monotonic()), max(deadline - monotonic(), _SHORTEST)))


def _to_the_beat(seconds: float, now: float) -> float:
    """How long until the next multiple of so many seconds, which is the same moment for all who wait: then they ask at
    once, and one call to AWS answers all of them (adapters/ecs/together.py)."""
    left = seconds - now % seconds
    return left if left >= _SHORTEST else left + seconds
