"""Trying again what failed in a way that may pass."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from lgtm_deploy.core.errors import DeployError, ExpiredCredentialsError, TransientError
from lgtm_deploy.core.plan import RetryPolicy
from lgtm_deploy.engine.cancellation import CancellationToken

if TYPE_CHECKING:
    from tenacity import RetryCallState

ValueT = TypeVar("ValueT")

# Expired credentials too: a new session may find fresh ones (adapters/aws.py).
MAY_PASS = (TransientError, ExpiredCredentialsError)


def repeatedly(
    once: Callable[[], ValueT],
    policy: RetryPolicy,
    stop: CancellationToken,
    retried: Callable[[int, str, float], None] = lambda *_: None,
) -> ValueT:
    """The value of `once`, tried as often as the policy says.

    `retried` hears the number of the attempt that failed, why, and how many seconds the next one waits. Raises what the
    last attempt raised, and InterruptedRunError when someone asks to stop in between.
    """
    try:
        return once()
    except MAY_PASS as error:
        return _again(once, policy, stop, retried, error)


def _again(
    once: Callable[[], ValueT],
    policy: RetryPolicy,
    stop: CancellationToken,
    retried: Callable[[int, str, float], None],
    first: DeployError,
) -> ValueT:
    from tenacity import (  # noqa: PLC0415 - only what fails in a way that may pass waits for it to load
        Retrying,
        retry_if_exception_type,
        stop_after_attempt,
        wait_exponential_jitter,
    )

    failed = [first]

    def attempt() -> ValueT:
        if failed:
            raise failed.pop()
        return once()

    def tell(state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        retried(state.attempt_number, str(error), round(state.upcoming_sleep, 3))

    retrying = Retrying(
        retry=retry_if_exception_type(MAY_PASS),
        stop=stop_after_attempt(policy.attempts),
        wait=wait_exponential_jitter(
            multiplier=policy.first_delay, max=policy.longest_delay, jitter=policy.first_delay
        ),
        sleep=stop.pause,
        before_sleep=tell,
        reraise=True,
    )
    return retrying(attempt)
