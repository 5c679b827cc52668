"""How long work tells what it does, and is stopped."""

from collections.abc import Callable, Mapping

# Tells what a long action is doing right now. It may raise InterruptedRunError or DeadlineError: the action then stops
# what it started (a child process, an upload) and lets the error through. Long silent actions call it with "" at least
# every 0.2 s.
Progress = Callable[[str], None]


class Noted(str):
    """Something that an action tells, with `facts` that are to be found in the run's journal later."""

    facts: Mapping[str, str]

    def __new__(cls, message: str, **facts: str) -> "Noted":
        """The message, and the facts beside it."""
        noted = super().__new__(cls, message)
        noted.facts = facts
        return noted
