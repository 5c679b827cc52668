"""May anything outside still be changed?"""

from collections.abc import Callable


class Permit:
    """Asked right before each change is sent, and not only once for a piece of work: a process may be stopped between
    two changes, and wake when its environment is another run's. It always permits until it is bound to a guard."""

    def __init__(self) -> None:
        self._guard: Callable[[], None] = lambda: None

    def bind(self, guard: Callable[[], None]) -> None:
        """From now on `guard` decides: it raises LockLostError when nothing may be changed any more."""
        self._guard = guard

    def check(self) -> None:
        """Raises what the guard raises."""
        self._guard()
