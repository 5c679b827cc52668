"""Trying again what failed in a way that may pass."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from lgtm_deploy.core.plan import RetryPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState

ValueT = TypeVar("ValueT")


def retry(
    once: Callable[[], ValueT],
    delays: Iterable[float],
    errors: type[Exception] | tuple[type[Exception], ...],
    pause: Callable[[float], None],
    retried: Callable[[int, str, float], None] = lambda *_: None,
) -> ValueT:
    """Return the value of `once`, tried once more after each of the delays (in seconds) as long as it raises `errors`.

    `retried` gets the number of the attempt that failed, why, and the delay. Raises what the last attempt raised, and
    what `pause` raises.
    """
    try:
        return once()
    except errors as error:
        failed = [error]
    from tenacity import (  # noqa: PLC0415 - it loads asyncio; only what has failed waits for that
        Retrying,
        retry_if_exception_type,
        stop_after_attempt,
    )

    waits = [*delays, 0.0]

    def attempt() -> ValueT:
        if failed:
            raise failed.pop()
        return once()

    def tell(state: "RetryCallState") -> None:
        error = state.outcome.exception() if state.outcome else None
        retried(state.attempt_number, str(error), round(state.upcoming_sleep, 3))

    return Retrying(
        retry=retry_if_exception_type(errors),
        stop=stop_after_attempt(len(waits)),
        wait=lambda state: waits[state.attempt_number - 1],
        sleep=pause,
        before_sleep=tell,
        reraise=True,
    )(attempt)


def delays_of(policy: RetryPolicy) -> Iterator[float]:
    """Return the delays of a policy: each twice the one before, with a random part so that not all try at once."""
    for number in range(policy.attempts - 1):
        jitter = random.uniform(0.0, policy.first_delay)  # noqa: S311 - no secret
        yield min(policy.first_delay * 2.0**number + jitter, policy.longest_delay)
