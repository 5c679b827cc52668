"""Trying again what failed in a way that may pass, until somebody asks to stop."""

from collections.abc import Callable
from typing import TypeVar

from lgtm_deploy.core.errors import ExpiredCredentialsError, TransientError
from lgtm_deploy.core.plan import RetryPolicy
from lgtm_deploy.core.retry import delays_of, retry
from lgtm_deploy.engine.cancellation import CancellationToken

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
    return retry(once, delays_of(policy), MAY_PASS, stop.pause, retried)
