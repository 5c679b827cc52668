"""Has someone asked the run to stop, and how urgently?"""

import threading

from lgtm_deploy.core.errors import InterruptedRunError

# A pause looks this often, in seconds: nobody tells it of its parent, nor of what is asked just before it waits.
_SLICE = 0.1


class Stop:
    """A request to stop, shared by the coordinator, its workers and the signal handlers.

    `ask` stops what only looks or works on this machine; changes that are under way end first.
    `insist` stops those as well. What a parent is asked, its children are asked too; those that are `firm` only when
    someone insists who is not the deadline.
    """

    def __init__(self, parent: "Stop | None" = None, *, firm: bool = False) -> None:
        self._parent = parent
        self._firm = firm
        self._asked = False
        self._insisted = False
        # A signal handler asks in the thread that it has interrupted, which may have the lock: it has to get it again.
        self._changed = threading.Condition(threading.RLock())
        self._reason = ""
        self._late = False
        self._pressed = False

    def child(self) -> "Stop":
        """One that is asked whenever this one is, and can be asked by itself."""
        return Stop(parent=self)

    def firm(self) -> "Stop":
        """One that is asked only when a person or the system insists on this one: for what had better come to its
        end."""
        return Stop(parent=self, firm=True)

    def ask(self, reason: str, *, late: bool = False) -> None:
        """Stop at the next safe point. `late`: because the time allowed is over, and not because someone wishes it."""
        if not self._asked:
            self._reason = reason
            self._late = late
            self._asked = True
            with self._changed:
                self._changed.notify_all()

    def end_run(self, reason: str) -> None:
        """Stop the run that this one is part of at the next safe point: it cannot go on now, but later it can."""
        if self._parent is not None:
            self._parent.end_run(reason)
        else:
            self.ask(reason, late=True)

    def insist(self, reason: str, *, late: bool = False) -> None:
        """Stop changes that are under way, too."""
        self.ask(reason, late=late)
        self._pressed = self._pressed or not late
        self._insisted = True

    @property
    def late(self) -> bool:
        """Whether it is the deadline that asks."""
        return self._late

    @property
    def reason(self) -> str:
        """Why, in the words of whoever asked first."""
        return self._reason or (self._parent.reason if self._parent else "")

    @property
    def asked(self) -> bool:
        """Whether anyone asked."""
        if self._asked or self._parent is None:
            return self._asked
        return self._parent.pressed if self._firm else self._parent.asked

    @property
    def insisted(self) -> bool:
        """Whether anyone insisted."""
        if self._insisted or self._parent is None:
            return self._insisted
        return self._parent.pressed if self._firm else self._parent.insisted

    @property
    def pressed(self) -> bool:
        """Whether anyone but the deadline insisted."""
        return self._pressed or (self._parent is not None and self._parent.pressed)

    def check(self, *, patient: bool) -> None:
        """Raises InterruptedRunError when it is time to stop; a patient caller stops only when someone insists."""
        if self.insisted if patient else self.asked:
            raise InterruptedRunError(self.reason)

    def pause(self, seconds: float) -> None:
        """Sleeps, and raises InterruptedRunError as soon as someone asks to stop."""
        while seconds > 0 and not self.asked:
            with self._changed:
                if not self._asked:
                    self._changed.wait(min(seconds, _SLICE))
            seconds -= _SLICE
        self.check(patient=False)
