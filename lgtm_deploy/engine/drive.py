"""Working through an order of jobs in parallel, with everything written down by one thread."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import Event
from lgtm_deploy.engine.ledger import Ledger
from lgtm_deploy.engine.workers import Workers

ResultT = TypeVar("ResultT")

# How often the coordinator looks at its own watch while no worker says anything, in seconds.
_TICK = 0.2


class _Oath:
    """What a worker waits for: that something is on disk, or can never be."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self._error: Exception | None = None

    def settle(self, error: Exception | None = None) -> None:
        self._error = error
        self._settled.set()

    def wait(self) -> None:
        self._settled.wait()
        if self._error is not None:
            raise self._error


@dataclass(frozen=True, kw_only=True)
class _Said:
    """A worker says that something happened; `oath` is settled once it is on disk."""

    event: Event
    oath: _Oath | None = None


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
        """Has the event written down and returns once it is on disk. Raises JournalError when it cannot be."""
        oath = _Oath()
        self._put(_Said(event=event, oath=oath))
        oath.wait()


class Drive(Generic[ResultT]):
    """Runs jobs in an order, each as soon as all before it are done and a worker is free.

    `start` gives the event that must be on disk before the job begins, and the job; `end` gives the event of its result
    and whether the jobs after it may begin. `may_start` is asked before anything new begins; `tick` is called now and
    then; `abandon` is called when nothing can be written down any more, so that jobs end soon. Everything but the jobs
    themselves runs in the caller's thread.
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
        abandon: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._parallelism = parallelism
        self._start = start
        self._end = end
        self._may_start = may_start
        self._tick = tick
        self._abandon = abandon
        self._inbox: queue.SimpleQueue[_Message[ResultT]] = queue.SimpleQueue()
        self._running = 0
        self._sworn: list[_Oath] = []

    def run(self, order: Mapping[str, Iterable[str]]) -> None:
        """Works through the order: a job's name to the names that come before it. Ties go by the mapping's order."""
        before = {name: set(names) & order.keys() for name, names in order.items()}
        after: dict[str, list[str]] = {name: [] for name in order}
        for name, names in before.items():
            for each in names:
                after[each].append(name)
        ready = deque(name for name, names in before.items() if not names)
        with Workers(self._parallelism) as workers:
            try:
                self._coordinate(workers, ready, before, after)
            except BaseException:
                self._abandon()
                self._see_off()
                raise

    def _coordinate(
        self,
        workers: Workers,
        ready: deque[str],
        before: Mapping[str, set[str]],
        after: Mapping[str, Iterable[str]],
    ) -> None:
        while True:
            room = self._parallelism - self._running if self._may_start() else 0
            batch = [ready.popleft() for _ in range(min(room, len(ready)))]
            starting = [(name, *self._start(name)) for name in batch]
            # One sync for all that was said or has ended, and for what starts now.
            self._ledger.write(*(event for _, event, _ in starting if event))
            while self._sworn:
                self._sworn.pop().settle()
            for name, _, job in starting:
                workers.do(partial(self._work, name, job), busy=self._running)
                self._running += 1
            if not self._running:
                return
            for name in self._heard():
                ready.extend(_released(name, before, after))
            self._tick()

    def _heard(self) -> Iterator[str]:
        """Notes what workers have said; gives the jobs whose successors may begin."""
        for message in self._received():
            if isinstance(message, _Said):
                self._ledger.note(message.event)
                if message.oath:
                    self._sworn.append(message.oath)
                continue
            self._running -= 1
            if isinstance(message, _Crashed):
                raise message.error
            ended, go_on = self._end(message.name, message.result)
            self._ledger.note(ended)
            if go_on:
                yield message.name

    def _see_off(self) -> None:
        """Waits for the jobs under way when nothing can be written down any more, and lets none of them wait for it."""
        lost = JournalError("The run's journal can no longer be written.")
        while self._sworn or self._running:
            while self._sworn:
                self._sworn.pop().settle(lost)
            if self._running:
                message = self._inbox.get()
                if not isinstance(message, _Said):
                    self._running -= 1
                elif message.oath:
                    self._sworn.append(message.oath)

    def _work(self, name: str, job: Callable[[Voice], ResultT]) -> None:
        try:
            self._inbox.put(_Ended(name=name, result=job(Voice(self._inbox.put))))
        except BaseException as error:  # a job explains its own failures: this is a defect, and must not be lost
            self._inbox.put(_Crashed(error=error))

    def _received(self) -> "Iterator[_Message[ResultT]]":
        """What workers have said: waits for one message, then takes what else is there, one by one."""
        while True:
            try:
                yield self._inbox.get(timeout=_TICK)
                break
            except queue.Empty:
                self._tick()
        while not self._inbox.empty():
            yield self._inbox.get()


def _released(name: str, before: Mapping[str, set[str]], after: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """The jobs that waited for this one last."""
    for each in after[name]:
        before[each].discard(name)
        if not before[each]:
            yield each
