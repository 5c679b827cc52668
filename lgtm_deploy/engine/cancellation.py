"""Requests to stop a run."""

import threading

from lgtm_deploy.core.errors import InterruptedRunError

# Maximum time between two checks of a pause, in seconds: nothing notifies it of its parent's cancellation.
_SLICE = 0.1


class CancellationToken:
    """A request to stop, shared by the coordinator, its workers and the signal handlers.

    `cancel` stops what only reads or works on this machine; changes that are under way end first. `cancel_now` stops
    those as well. A child is cancelled with its parent. A shield is cancelled only by `cancel_now`, and not by a
    deadline.
    """

    def __init__(self, parent: "CancellationToken | None" = None, *, shielded: bool = False) -> None:
        self._parent = parent
        self._shielded = shielded
        self._cancelled = False
        self._cancelled_now = False
        # A signal handler cancels in the thread that it has interrupted, which may have the lock: hence reentrant.
        self._changed = threading.Condition(threading.RLock())
        self._reason = ""
        self._timed_out = False
        self._forced = False

    def child(self) -> "CancellationToken":
        """Return a token that is cancelled with this one, and can be cancelled alone."""
        return CancellationToken(parent=self)

    def shield(self) -> "CancellationToken":
        """Return a token for work that should end once it has started: a person or the system can still force it."""
        return CancellationToken(parent=self, shielded=True)

    def cancel(self, reason: str, *, timed_out: bool = False) -> None:
        """Request a stop at the next safe point. `timed_out`: the time allowed is over; nobody requested it."""
        if not self._cancelled:
            self._reason = reason
            self._timed_out = timed_out
            self._cancelled = True
            with self._changed:
                self._changed.notify_all()

    def end_run(self, reason: str) -> None:
        """Cancel the root token: the run cannot continue now, but can be resumed."""
        if self._parent is not None:
            self._parent.end_run(reason)
        else:
            self.cancel(reason, timed_out=True)

    def cancel_now(self, reason: str, *, timed_out: bool = False) -> None:
        """Stop changes that are under way, too."""
        self.cancel(reason, timed_out=timed_out)
        self._forced = self._forced or not timed_out
        self._cancelled_now = True

    @property
    def timed_out(self) -> bool:
        """Whether a deadline cancelled it."""
        return self._timed_out

    @property
    def reason(self) -> str:
        """Reason of the first request."""
        return self._reason or (self._parent.reason if self._parent else "")

    @property
    def cancelled(self) -> bool:
        """Whether a stop is requested."""
        if self._cancelled or self._parent is None:
            return self._cancelled
        return self._parent.forced if self._shielded else self._parent.cancelled

    @property
    def cancelled_now(self) -> bool:
        """Whether changes that are under way must stop, too."""
        if self._cancelled_now or self._parent is None:
            return self._cancelled_now
        return self._parent.forced if self._shielded else self._parent.cancelled_now

    @property
    def forced(self) -> bool:
        """Whether `cancel_now` was called by anything but a deadline."""
        return self._forced or (self._parent is not None and self._parent.forced)

    def check(self, *, patient: bool) -> None:
        """Raise InterruptedRunError when cancelled; a patient caller stops only for `cancel_now`."""
        if self.cancelled_now if patient else self.cancelled:
            raise InterruptedRunError(self.reason)

    def pause(self, seconds: float) -> None:
        """Sleep. Raise InterruptedRunError as soon as a stop is requested."""
        while seconds > 0 and not self.cancelled:
            with self._changed:
                if not self._cancelled:
                    self._changed.wait(min(seconds, _SLICE))
            seconds -= _SLICE
        self.check(patient=False)
