"""Several waits that ask AWS the same kind of question at the same moment, and one call that answers all of them."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")

# Waits wake on a common beat (engine/waiting.py): who asks with them asks within a few milliseconds, in seconds.
GATHERING = 0.02


class Together(Generic[AnswerT]):
    """Gathers what threads ask for at the same moment, and asks once for all of it.

    No answer is kept: whoever asks gets one that was given after the question. `ask` is called with names, each once,
    and gives what it found by name; `limit` is how many names one call may hold. An error of a call is everybody's
    who asked in it.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[str]], Mapping[str, AnswerT]],
        *,
        limit: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ask = ask
        self._limit = limit
        self._pause = pause
        self._lock = threading.Lock()
        self._gathered: dict[str, Future[AnswerT | None]] = {}

    def one(self, name: str) -> AnswerT | None:
        """What there is of that name; None: nothing. Raises what the call raises."""
        with self._lock:
            is_first = not self._gathered
            asked = self._gathered.setdefault(name, Future())
        if is_first:
            self._pause(GATHERING)
            with self._lock:
                gathered, self._gathered = self._gathered, {}
            for names in _parts(list(gathered), self._limit):
                self._settle(names, gathered)
        return asked.result()

    def _settle(self, names: Sequence[str], gathered: Mapping[str, "Future[AnswerT | None]"]) -> None:
        try:
            found = self._ask(names)
        except BaseException as error:  # whoever asked with this thread must not wait for ever
            for name in names:
                gathered[name].set_exception(error)
            return
        for name in names:
            gathered[name].set_result(found.get(name))


def _parts(names: Sequence[str], limit: int) -> Iterable[Sequence[str]]:
    return (names[start : start + limit] for start in range(0, len(names), limit))
