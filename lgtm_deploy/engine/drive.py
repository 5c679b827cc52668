"""Working through an order of jobs in parallel, with everything written down in the order in which it happens."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import Event
from lgtm_deploy.engine.ledger import Ledger
from lgtm_deploy.engine.voice import Oath, Said, Voice
from lgtm_deploy.engine.workers import Workers

ResultT = TypeVar("ResultT")

# How often the caller's thread looks at its watch, in seconds.
_TICK = 0.2


@dataclass(frozen=True, kw_only=True)
class _Ended(Generic[ResultT]):
    name: str
    result: ResultT


@dataclass(frozen=True, kw_only=True)
class _Crashed:
    error: BaseException


_Message = Said | _Crashed | _Ended[ResultT]
_Job = Callable[[], _Message[ResultT]]


class Drive(Generic[ResultT]):
    """Runs jobs in an order, each as soon as all before it are done and a worker is free.

    `start` gives the event of the job's beginning, and the job; `end` gives the event of its result and whether the
    jobs after it may begin. `may_start` is asked before anything new begins; `tick` is called now and then; `abandon`
    is called when a job has crashed or nothing can be written down any more, so that the others end soon.

    Whoever says something has the turn for that moment: it is noted, and what comes next is chosen. Writing is another
    matter: one thread at a time has the pen, and writes what has been noted while the others go on. Nothing is
    announced before it is on disk. A job begins when its beginning and the end of those before it are; a `light` one,
    which changes nothing that counts, does not wait for that. A worker writes what it has said itself, and goes on with
    what comes next: where one step follows another no thread has to be woken. All that is handed in here is called by
    whoever has the turn.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        parallelism: int,
        start: Callable[[str], tuple[Event | None, Callable[[Voice], ResultT]]],
        end: Callable[[str, ResultT], tuple[Event, bool]],
        light: Callable[[str], bool] = lambda _: False,
        may_start: Callable[[], bool] = lambda: True,
        tick: Callable[[], None] = lambda: None,
        abandon: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._parallelism = parallelism
        self._start = start
        self._end = end
        self._light = light
        self._may_start = may_start
        self._tick = tick
        self._abandon = abandon
        self._voice = Voice(self._say, self._swear)
        # One of them may be writing.
        self._workers = Workers(parallelism + 1)
        self._news = threading.Event()
        # Who has the pen may take the turn, never the other way round.
        self._pen = threading.Lock()
        self._turn = threading.Lock()
        # What follows is only touched by who has the turn.
        self._before: dict[str, set[str]] = {}
        self._after: dict[str, list[str]] = {}
        self._ready: deque[str] = deque()
        self._at_work = 0
        # Begun, but not at work before that is on disk; of some of them it is being written.
        self._held: list[_Job[ResultT]] = []
        self._being_written = 0
        self._sworn: list[Oath] = []
        self._over = False
        self._lost: BaseException | None = None
        self._unwritable = False

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
                    self._take_turn()
                    self._write()
                except BaseException as error:
                    self._lose(error)
        # What the last one has said may be under its pen still.
        with self._pen:
            self._commit()
        if self._lost is not None:
            raise self._lost

    def _say(self, said: Said) -> None:
        self._take_turn(said)
        self._news.set()

    def _swear(self, said: Said) -> None:
        self._take_turn(said)
        self._write()

    def _work(self, job: "_Job[ResultT]") -> None:
        """In a worker's thread: does the job, and goes on with the next one where it can."""
        todo: _Job[ResultT] | None = job
        while todo is not None:
            todo = self._take_turn(todo(), own=True) or self._write(own=True)
        if self._over:
            self._news.set()

    def _outcome(self, name: str, job: Callable[[Voice], ResultT]) -> "_Message[ResultT]":
        try:
            return _Ended(name=name, result=job(self._voice))
        except BaseException as error:  # a job explains its own failures: this is a defect, and must not be lost
            return _Crashed(error=error)

    def _take_turn(self, message: "_Message[ResultT] | None" = None, *, own: bool = False) -> "_Job[ResultT] | None":
        """Notes what is said and begins what may begin. Gives a job for a worker's `own` thread where another one
        writes: else it is this one that is to write, and others do what is light."""
        with self._turn:
            try:
                self._hear(message)
                return self._begin(own=own)
            except BaseException as error:
                self._give_up(error)
                return None
            finally:
                self._over = not self._begun

    def _hear(self, message: "_Message[ResultT] | None") -> None:
        if isinstance(message, _Ended | _Crashed):
            self._at_work -= 1
        elif message and message.oath:
            self._sworn.append(message.oath)
        if message is None or self._lost is not None:
            return
        if isinstance(message, _Crashed):
            raise message.error
        if isinstance(message, Said):
            self._ledger.note(message.event)
            return
        ended, go_on = self._end(message.name, message.result)
        self._ledger.note(ended)
        if go_on:
            self._ready.extend(self._released(message.name))

    def _begin(self, *, own: bool) -> "_Job[ResultT] | None":
        if self._lost is not None:
            return None
        self._tick()
        light: list[_Job[ResultT]] = []
        room = self._parallelism - self._begun if self._may_start() else 0
        for _ in range(min(room, len(self._ready))):
            name = self._ready.popleft()
            event, job = self._start(name)
            if event:
                self._ledger.note(event)
            (light if self._light(name) else self._held).append(partial(self._outcome, name, job))
        writing = self._pen.locked()
        return self._hand_out(light, busy=own + writing, keep=own and writing)

    def _hand_out(self, jobs: "Sequence[_Job[ResultT]]", *, busy: int, keep: bool) -> "_Job[ResultT] | None":
        """Has them worked, when so many threads are `busy` besides those at work; gives the first where the caller's is
        one that is to `keep` it."""
        mine = jobs[0] if keep and jobs else None
        kept = mine is not None
        for each in jobs[kept:]:
            self._workers.do(partial(self._work, each), busy=self._at_work + busy)
            self._at_work += 1
        self._at_work += kept
        return mine

    @property
    def _begun(self) -> int:
        """So many jobs have begun and not ended."""
        return self._at_work + len(self._held) + self._being_written

    def _released(self, name: str) -> Iterator[str]:
        """The jobs that waited for this one last."""
        for each in self._after[name]:
            self._before[each].discard(name)
            if not self._before[each]:
                yield each

    @property
    def _unwritten(self) -> bool:
        return self._ledger.noted or bool(self._held or self._sworn)

    def _write(self, *, own: bool = False) -> "_Job[ResultT] | None":
        """Writes what is noted, unless another thread has the pen. Gives a job for a worker's `own` thread.

        What others say meanwhile is the caller's thread's to write: a worker has work of its own.
        """
        mine = None
        if self._unwritten and self._pen.acquire(blocking=False):
            try:
                mine = self._commit(own=own)
            finally:
                self._pen.release()
        # Who had the pen may have laid it down before this was noted.
        if self._unwritten and not self._pen.locked():
            self._news.set()
        return mine

    def _commit(self, *, own: bool = False) -> "_Job[ResultT] | None":
        """Puts all that is noted on disk, with the pen in hand, and lets those at work that have waited for it."""
        with self._turn:
            noted, sworn, held = self._ledger.taken(), self._sworn, self._held
            self._sworn, self._held, self._being_written = [], [], len(held)
        try:
            if not self._unwritable:
                self._ledger.commit(noted)
        except BaseException as error:
            self._unwritable = True
            self._lose(error)
        with self._turn:
            self._being_written = 0
            lost = self._lost is not None
            for oath in sworn:
                oath.settle(JournalError("The run's journal can no longer be written.") if lost else None)
            try:
                return None if lost else self._hand_out(held, busy=own, keep=own)
            except BaseException as error:
                self._give_up(error)
                return None
            finally:
                self._over = not self._begun

    def _lose(self, error: BaseException) -> None:
        with self._turn:
            self._give_up(error)
        self._news.set()

    def _give_up(self, error: BaseException) -> None:
        """Somebody has crashed, or nothing can be written down: the jobs under way are to end, and no other begins."""
        self._held = []
        if self._lost is None:
            self._lost = error
            self._abandon()
