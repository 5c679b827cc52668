"""Working through an order of jobs in parallel, with everything written down by one thread."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from lgtm_deploy.core.event import Event
from lgtm_deploy.engine.ledger import Ledger

ResultT = TypeVar("ResultT")

# How often the coordinator looks at its own watch while no worker says anything, in seconds.
_TICK = 0.2


@dataclass(frozen=True, kw_only=True)
class _Said:
    """A worker says that something happened; `written` is set once it is on disk."""

    event: Event
    written: threading.Event | None = None


@dataclass(frozen=True, kw_only=True)
class _Ended(Generic[ResultT]):
    name: str
    result: ResultT


@dataclass(frozen=True, kw_only=True)
class _Crashed:
    error: BaseException


_Message = _Said | _Crashed | _Ended[ResultT]


class Voice:
    """How a worker speaks to the coordinator."""

    def __init__(self, put: Callable[[_Said], None]) -> None:
        self._put = put

    def say(self, event: Event) -> None:
        """Has the event written down, some time soon."""
        self._put(_Said(event=event))

    def swear(self, event: Event) -> None:
        """Has the event written down and returns once it is on disk."""
        written = threading.Event()
        self._put(_Said(event=event, written=written))
        written.wait()


class Drive(Generic[ResultT]):
    """Runs jobs in an order, each as soon as all before it are done and a worker is free.

    `start` gives the event that must be on disk before the job begins, and the job; `end` gives the event of its result
    and whether the jobs after it may begin. `may_start` is asked before anything new begins; `tick` is called now and
    then. Everything but the jobs themselves runs in the caller's thread.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        parallelism: int,
        start: Callable[[str], tuple[Event | None, Callable[[Voice], ResultT]]],
        end: Callable[[str, ResultT], tuple[Event, bool]],
        may_start: Callable[[], bool] = lambda: True,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._parallelism = parallelism
        self._start = start
        self._end = end
        self._may_start = may_start
        self._tick = tick
        self._inbox: queue.SimpleQueue[_Message[ResultT]] = queue.SimpleQueue()

    def run(self, order: Mapping[str, Iterable[str]]) -> None:
        """Works through the order: a job's name to the names that come before it. Ties go by the mapping's order."""
        before = {name: set(names) & order.keys() for name, names in order.items()}
        after: dict[str, list[str]] = {name: [] for name in order}
        for name, names in before.items():
            for each in names:
                after[each].append(name)
        ready = [name for name, names in before.items() if not names]
        running = 0
        sworn: list[threading.Event] = []
        with ThreadPoolExecutor(max_workers=self._parallelism, thread_name_prefix="worker") as workers:
            while True:
                batch = ready[: self._parallelism - running] if self._may_start() else []
                del ready[: len(batch)]
                starting = [(name, *self._start(name)) for name in batch]
                # One sync for all that was said or has ended, and for what starts now.
                self._ledger.write(*(event for _, event, _ in starting if event))
                for written in sworn:
                    written.set()
                sworn = []
                for name, _, job in starting:
                    workers.submit(self._work, name, job)
                running += len(starting)
                if not running:
                    return
                for message in self._received():
                    if isinstance(message, _Crashed):
                        raise message.error
                    if isinstance(message, _Said):
                        self._ledger.note(message.event)
                        if message.written:
                            sworn.append(message.written)
                        continue
                    running -= 1
                    ended, go_on = self._end(message.name, message.result)
                    self._ledger.note(ended)
                    if go_on:
                        ready.extend(_released(message.name, before, after))

    def _work(self, name: str, job: Callable[[Voice], ResultT]) -> None:
        try:
            self._inbox.put(_Ended(name=name, result=job(Voice(self._inbox.put))))
        except BaseException as error:  # a job explains its own failures: this is a defect, and must not be lost
            self._inbox.put(_Crashed(error=error))

    def _received(self) -> "list[_Message[ResultT]]":
        """What workers have said: waits for one message, then takes what else is there."""
        messages: list[_Message[ResultT]] = []
        while not messages:
            try:
                messages.append(self._inbox.get(timeout=_TICK))
            except queue.Empty:
                self._tick()
        while True:
            try:
                messages.append(self._inbox.get_nowait())
            except queue.Empty:
                return messages


def _released(name: str, before: Mapping[str, set[str]], after: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """The jobs that waited for this one last."""
    for each in after[name]:
        before[each].discard(name)
        if not before[each]:
            yield each
