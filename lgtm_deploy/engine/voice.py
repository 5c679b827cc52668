"""How those at work say what happens, and how they know that it is on disk."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from lgtm_deploy.core.event import Event


class Oath:
    """What a worker waits for: that something is on disk, or can never be."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._error: Exception | None = None

    def settle(self, error: Exception | None = None) -> None:
        """It is on disk; or why it never will be."""
        self._error = error
        self._settled.set()

    def wait(self) -> None:
        """Returns once it is on disk. Raises what it was settled with."""
        self._settled.wait()
        if self._error is not None:
            raise self._error


@dataclass(frozen=True, kw_only=True)
class Said:
    """A worker says that something happened; `oath` is settled once it is on disk."""

    event: Event
    oath: Oath | None = None


class Voice:
    """How a worker says what happens while it is at work: not later."""

    def __init__(self, say: Callable[[Said], None], swear: Callable[[Said], None]) -> None:
        self._say = say
        self._swear = swear

    def say(self, event: Event) -> None:
        """Has the event written down, some time soon."""
        self._say(Said(event=event))

    def swear(self, event: Event) -> None:
        """Has the event written down and returns once it is on disk. Raises JournalError when it cannot be."""
        oath = Oath()
        self._swear(Said(event=event, oath=oath))
        oath.wait()
