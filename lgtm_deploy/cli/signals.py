"""What Ctrl-C and SIGTERM mean while a run is under way."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from lgtm_deploy.engine.cancellation import CancellationToken

# CI runners kill about 10 s after SIGTERM: what is under way is told to stop in time to be written down. A
# Terraform then has 4 s more before it is killed. What still hangs then (a call that is not answered) is left.
_PATIENCE_AFTER_SIGTERM = 3.0
_BUDGET_AFTER_SIGTERM = 7.9
# A second Ctrl-C leaves at once; children (a Terraform has 4 s) get this long to be stopped and written down.
_LEAVING = 5.0
_INTERRUPTED = 130


@contextmanager
def heeded(stop: CancellationToken, say: Callable[[str], None]) -> Iterator[None]:
    """While this is open, a first SIGINT or SIGTERM asks the run to stop, and a SIGINT after it makes it leave.

    Signals are counted, not requests: whoever cancelled the run, or its deadline, has not pressed Ctrl-C.
    `say` tells the person at the terminal; it is called in a signal handler, out of which nothing may be raised into
    whatever is under way there: a terminal that is gone stops nobody from stopping.
    """
    timers: list[threading.Timer] = []
    signals = 0

    def later(seconds: float, call: Callable[..., object], *arguments: object) -> None:
        timer = threading.Timer(seconds, call, args=arguments)
        timer.daemon = True
        with suppress(RuntimeError):
            timer.start()
            timers.append(timer)

    def told(text: str) -> None:
        with suppress(Exception):
            say(text)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            stop.cancel_now("interrupted twice")
            later(_LEAVING, os._exit, _INTERRUPTED)
            told("Leaving now; the journal has everything that was done.")
        else:
            stop.cancel("interrupted")
            told("Stopping at the next safe point, or after a rollback. Ctrl-C again: at once.")

    def terminated(_number: int, _frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        stop.cancel("terminated")
        later(_PATIENCE_AFTER_SIGTERM, stop.cancel_now, "terminated")
        later(_BUDGET_AFTER_SIGTERM, os._exit, _INTERRUPTED)
        told("SIGTERM: stopping at the next safe point.")

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupted),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminated),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer in timers:
            timer.cancel()


@contextmanager
def interruptible() -> Iterator[None]:
    """While this is open, SIGINT and SIGTERM also raise KeyboardInterrupt: a question at the terminal is a safe
    point."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def at_once(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, at_once)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
