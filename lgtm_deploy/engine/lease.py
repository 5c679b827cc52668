"""Keeps the lease on an environment while a run uses it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from lgtm_deploy.core import lease as leases
from lgtm_deploy.core.errors import DeployError, JournalBusyError, LockHeldError, LockLostError
from lgtm_deploy.core.ports import Clock, Lease, Lock
from lgtm_deploy.engine.cancellation import CancellationToken

# How often a run that waits asks again, and a renewal that failed is tried again, in seconds.
_AGAIN = 1.0
# How long the end of a run waits for a sign of life that is under way, and for a look, in seconds each.
_PARTING = 1.0


@dataclass(frozen=True, kw_only=True)
class LockRequest:
    """A run's request for the lock of an environment; `wait` is the maximum time to wait, in seconds."""

    environment: str
    run: str
    holder: str
    wait: float = 0.0


class LeaseKeeper:
    """Renews a lease while its run uses it, and is asked before every change.

    Another thread checks for cancel requests, and `tell` gets them.

    `since` is when the lease was requested, on the clock's `monotonic`: the store counts from a later moment.
    """

    def __init__(
        self,
        lock: Lock,
        lease: Lease,
        *,
        since: float,
        clock: Clock,
        stop: CancellationToken,
        beat: float = leases.BEAT_SECONDS,
        call: float = leases.CALL_SECONDS,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.lease = lease
        self._lock = lock
        self._since = since
        self._clock = clock
        self._stop = stop
        self._beat = beat
        self._call = call
        self._tell = tell
        self._lost: LockLostError | None = None
        self._ended = threading.Event()

    def check(self) -> None:
        """Raise LockLostError unless the lease lasts for one more call."""
        if self._lost is not None:
            raise self._lost
        if self._left() < self._call:
            raise self._give_up("its lock could not be renewed in time")

    def renew(self) -> None:
        """Renew the lease.

        Cancel the run when the lease is lost, or could not be renewed and is too short for another call.
        """
        asked = self._clock.monotonic()
        try:
            self._lock.renew(self.lease)
            self._since = asked
        except LockLostError as error:
            self._lost = error
            if self._ended.is_set():
                # It was released meanwhile.
                return
            self._stop.cancel_now(error.message, timed_out=True)
        except DeployError as error:
            if self._left() < self._call:
                self._give_up(f"its lock could not be renewed: {error.message}")

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the lease and check for cancel requests while this is open.

        The threads end with it, and with the process.
        """
        # Two threads: a slow check must not delay a renewal.
        threads = [
            threading.Thread(target=work, name="lease", daemon=True) for work in (self._keep, self._watch_requests)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                # One that waits for a store that is silent ends with the process.
                thread.join(_PARTING)

    def _keep(self) -> None:
        while not self._ended.wait(self._beat if self._left() > self.lease.seconds - self._beat else _AGAIN):
            if self._lost is not None:
                return
            self.renew()

    def look(self) -> None:
        """Cancel the run when its lock has a cancel request, as a first Ctrl-C does."""
        # Without an answer the next check decides.
        with suppress(DeployError):
            who = self._lock.cancelled(self.lease)
            if who and not self._stop.cancelled:
                self._stop.cancel(f"cancelled by {who}")
                self._tell(f"Cancelled by {who}: stopping at the next safe point.")

    def _watch_requests(self) -> None:
        while not self._stop.cancelled and not self._ended.wait(self._lock.look_seconds):
            self.look()

    def _left(self) -> float:
        return self._since + self.lease.seconds - self._clock.monotonic()

    def _give_up(self, why: str) -> LockLostError:
        error = LockLostError(
            f"Run {self.lease.run} stops before its lease on '{self.lease.environment}' ends: {why}.",
            resolution=f"Go on with `lgtm-deploy resume {self.lease.run}`.",
        )
        self._stop.cancel_now(error.message, timed_out=True)
        return error


@contextmanager
def keep_lease(
    lock: Lock,
    request: LockRequest,
    *,
    clock: Clock,
    stop: CancellationToken,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[LeaseKeeper]:
    """Take the lock of an environment, renew its lease while this is open, then release it.

    Raise LockHeldError when another run has it for longer than this one would wait, and InterruptedRunError when the
    run is cancelled while it waits. `tell` gets the holder that it waits for.
    """
    lease, since = _taken(lock, request, clock, stop, tell)
    keeper = LeaseKeeper(lock, lease, since=since, clock=clock, stop=stop, tell=tell)
    try:
        with keeper.renewing():
            yield keeper
    finally:
        # A lock that cannot be released now ends with its lease.
        with suppress(DeployError):
            lock.release(lease)


def _taken(
    lock: Lock, request: LockRequest, clock: Clock, stop: CancellationToken, tell: Callable[[str], None]
) -> tuple[Lease, float]:
    patient_until = clock.monotonic() + request.wait
    told = ""
    while True:
        asked = clock.monotonic()
        try:
            return lock.take(request.environment, request.run, request.holder), asked
        except (LockHeldError, JournalBusyError) as error:
            left = patient_until - clock.monotonic()
            if left <= 0:
                raise
            who = error.message.partition(";")[0]
            if who != told:
                told = who
                tell(f"{error.message} Waiting up to {left:.0f} s.")
            stop.pause(min(_AGAIN, left))
