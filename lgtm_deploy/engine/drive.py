"""Working through an order of jobs in parallel, with everything written down by one thread at a time."""

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

# How often the caller's thread looks at its watch, in seconds.
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
_Job = Callable[[], _Message[ResultT]]


class Voice:
    """How a worker says what happens while it is at work."""

    def __init__(self, say: Callable[[_Said], None], swear: Callable[[_Said], None]) -> None:
        self._say = say
        self._swear = swear

    def say(self, event: Event) -> None:
        """Has the event written down, some time soon."""
        self._say(_Said(event=event))

    def swear(self, event: Event) -> None:
        """Has the event written down and returns once it is on disk. Raises JournalError when it cannot be."""
        oath = _Oath()
        self._swear(_Said(event=event, oath=oath))
        oath.wait()


class Drive(Generic[ResultT]):
    """Runs jobs in an order, each as soon as all before it are done and a worker is free.

    `start` gives the event that must be on disk before the job begins, and the job; `end` gives the event of its result
    and whether the jobs after it may begin. `may_start` is asked before anything new begins; `tick` is called now and
    then; `abandon` is called when nothing can be written down any more, so that jobs end soon.

    One thread at a time has the turn: it writes down what all have said, and begins what may begin. A worker takes the
    turn where it is free, and after the end of its job goes on with the next one itself: where one step follows another
    no thread has to be woken. What is said while another has the turn is left to the caller's thread. All that is
    handed in here is called by whoever has the turn.
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
        self._voice = Voice(self._say, self._swear)
        self._workers = Workers(parallelism)
        self._inbox: deque[_Message[ResultT]] = deque()
        self._news = threading.Event()
        self._turn = threading.Lock()
        # What follows is only touched by who has the turn.
        self._before: dict[str, set[str]] = {}
        self._after: dict[str, list[str]] = {}
        self._ready: deque[str] = deque()
        self._running = 0
        self._sworn: list[_Oath] = []
        self._over = False
        self._lost: BaseException | None = None

    def run(self, order: Mapping[str, Iterable[str]]) -> None:
        """Works through the order: a job's name to the names that come before it. Ties go by the mapping's order."""
        self._before = {name: set(names) & order.keys() for name, names in order.items()}
        self._after = {name: [] for name in order}
        for name, names in self._before.items():
            for each in names:
                self._after[each].append(name)
        self._ready.extend(name for name, names in self._before.items() if not names)
        self._news.set()
        with self._workers:
            while not self._over:
                try:
                    self._news.wait(_TICK)
                    self._news.clear()
                    with self._turn:
                        self._advance()
                except BaseException as error:
                    self._lose(error)
        if self._lost is not None:
            raise self._lost

    def _say(self, said: _Said) -> None:
        self._inbox.append(said)
        self._news.set()

    def _swear(self, said: _Said) -> None:
        self._inbox.append(said)
        self._take_turn()

    def _work(self, job: "_Job[ResultT]") -> None:
        """In a worker's thread."""
        todo: _Job[ResultT] | None = job
        while todo is not None:
            self._inbox.append(todo())
            todo = self._take_turn(own=True)

    def _outcome(self, name: str, job: Callable[[Voice], ResultT]) -> "_Message[ResultT]":
        try:
            return _Ended(name=name, result=job(self._voice))
        except BaseException as error:  # a job explains its own failures: this is a defect, and must not be lost
            return _Crashed(error=error)

    def _take_turn(self, *, own: bool = False) -> "_Job[ResultT] | None":
        """In a worker's thread: takes the turn where it is free. Gives a job for its `own` thread if it wants one."""
        mine = None
        if self._turn.acquire(blocking=False):
            try:
                mine = self._advance(own=own)
            finally:
                self._turn.release()
        if self._inbox or self._over:
            self._news.set()
        return mine

    def _advance(self, *, own: bool = False) -> "_Job[ResultT] | None":
        """Does all that is to be done now."""
        if self._lost is None:
            try:
                return self._advanced(own=own)
            except BaseException as error:
                self._lose(error)
        self._see_off()
        return None

    def _advanced(self, *, own: bool) -> "_Job[ResultT] | None":
        for name in self._heard():
            self._ready.extend(self._released(name))
        self._tick()
        room = self._parallelism - self._running if self._may_start() else 0
        batch = [self._ready.popleft() for _ in range(min(room, len(self._ready)))]
        starting = [(name, *self._start(name)) for name in batch]
        # One sync for all that was said or has ended, and for what starts now.
        self._ledger.write(*(event for _, event, _ in starting if event))
        while self._sworn:
            self._sworn.pop().settle()
        jobs = deque(partial(self._outcome, name, job) for name, _, job in starting)
        mine = jobs.popleft() if own and jobs else None
        kept = mine is not None
        for each in jobs:
            self._workers.do(partial(self._work, each), busy=self._running + kept)
            self._running += 1
        self._running += kept
        self._over = not self._running
        return mine

    def _heard(self) -> Iterator[str]:
        """Notes what workers have said; gives the jobs whose successors may begin."""
        while self._inbox:
            message = self._inbox.popleft()
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

    def _released(self, name: str) -> Iterator[str]:
        """The jobs that waited for this one last."""
        for each in self._after[name]:
            self._before[each].discard(name)
            if not self._before[each]:
                yield each

    def _lose(self, error: BaseException) -> None:
        """Nothing can be written down any more: the jobs under way are to end."""
        if self._lost is None:
            self._lost = error
            self._abandon()

    def _see_off(self) -> None:
        """Counts the jobs under way, and lets none of them wait for what cannot be written down."""
        while self._inbox:
            message = self._inbox.popleft()
            if not isinstance(message, _Said):
                self._running -= 1
            elif message.oath:
                self._sworn.append(message.oath)
        while self._sworn:
            self._sworn.pop().settle(JournalError("The run's journal can no longer be written."))
        self._over = not self._running
