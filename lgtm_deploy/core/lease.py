"""How long a lock lasts without a sign of life, and what is said to those who want it."""

from datetime import datetime, timedelta

from lgtm_deploy.core.errors import LockHeldError, LockLostError, NotFoundError
from lgtm_deploy.core.event import LockTakenOver
from lgtm_deploy.core.ports.memory import LockHolder

LEASE_SECONDS = 60.0
BEAT_SECONDS = 10.0
# A change is sent only while the lease lasts for so long, and a lease is taken over only once it has been over for so
# long. Twice this is time to connect to five addresses of AWS in vain, and to wait for an answer (adapters/aws.py).
CALL_SECONDS = 20.0

GONE = "its process has ended"
OVER = "its lease was over"


def refusal(held: LockHolder, now: datetime, *, grace: float = CALL_SECONDS) -> LockHeldError:
    """What a run is told that wants an environment which another one holds. `now` is only for how times are shown."""
    takeable = _shown(held.ends + timedelta(seconds=grace), now, seconds=True)
    return LockHeldError(
        f"Environment '{held.environment}' is locked by run {held.run} (since {_shown(held.since, now)}, {held.holder};"
        f" its lease ends {_shown(held.ends, now, seconds=True)}).",
        resolution=f"Wait with --lock-wait SECONDS: if it shows no sign of life, it is taken over at {takeable}."
        f" If it is surely dead, run `lgtm-deploy unlock {held.environment} --run {held.run}`.",
    )


def other_run(held: LockHolder, run: str) -> LockHeldError:
    """What is said to somebody who unlocks the environment for a run that does not hold it."""
    return LockHeldError(
        f"Environment '{held.environment}' is locked by run {held.run} ({held.holder}), not by run {run}.",
        resolution=f"Look at it with `lgtm-deploy show {held.run}`, then name that run.",
    )


def nobody(environment: str) -> NotFoundError:
    """What is said to somebody who unlocks an environment that is free."""
    return NotFoundError(f"Environment '{environment}' is not locked.")


def lost(environment: str, run: str, to: str = "") -> LockLostError:
    """What a run is told that no longer holds its environment. `to` is the run that has it, where that is known."""
    whose = f"run {to} has it now" if to else "it was taken over or unlocked"
    return LockLostError(
        f"Run {run} no longer holds environment '{environment}': {whose}.",
        resolution=f"Nothing was written or changed after that; see `lgtm-deploy show {run}`, then resume it.",
    )


def takeover(held: LockHolder, *, at: datetime, fence: int, run: str, holder: str, reason: str) -> LockTakenOver:
    """What both journals say of it. `run` is empty when it is a person who unlocks."""
    return LockTakenOver(
        at=at,
        environment=held.environment,
        fence=fence,
        from_run=held.run,
        from_holder=held.holder,
        to_run=run,
        to_holder=holder,
        reason=reason,
    )


def _shown(at: datetime, now: datetime, *, seconds: bool = False) -> str:
    time = "%H:%M:%S" if seconds else "%H:%M"
    return at.strftime(time if at.date() == now.date() else f"%Y-%m-%d {time}")
