"""A limit on a wait that starts again with every sign of progress."""

import time
from collections.abc import Callable, Hashable, Iterable

# A wait ends after so many seconds, whatever comes further.
LONGEST_SECONDS = 3600.0


class ProgressLimit:
    """Ends a wait `pause` seconds after the last progress, and `longest` seconds after its start.

    A sign that was observed before is no progress: what starts again and again comes no further.
    """

    def __init__(
        self, pause: float, *, longest: float = LONGEST_SECONDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause = pause
        self._longest = longest
        self._monotonic = monotonic
        self._known: set[Hashable] = set()
        self._began = self._progressed = monotonic()

    def observe(self, signs: Iterable[Hashable]) -> None:
        """Take note of what is so now; a new sign starts the pause again."""
        new = set(signs) - self._known
        if new:
            self._known |= new
            self._progressed = self._monotonic()

    @property
    def has_passed(self) -> bool:
        """Whether the wait is over."""
        now = self._monotonic()
        return now - self._progressed > self._pause or now - self._began > self._longest
