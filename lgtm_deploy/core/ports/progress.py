"""How long work tells what it does, and is stopped."""

from collections.abc import Callable

# Tells what a long action is doing right now. It may raise InterruptedRunError or DeadlineError: the action then stops
# what it started (a child process, an upload) and lets the error through. Long silent actions call it with "" at least
# every 0.2 s.
Progress = Callable[[str], None]
