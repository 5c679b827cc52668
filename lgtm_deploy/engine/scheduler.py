"""Dispatches ready steps to worker threads and records what they report.

One coordinator thread, the caller's, owns all state. Workers only put messages into its queue: an event, or the end of
a step. The coordinator repeats one turn. It handles every message that waits, which stages events and releases the
steps after a finished one. It hands the steps whose start is on disk to workers. It starts ready steps up to the
parallelism; a step that changes nothing outside goes to a worker immediately. Then it commits all staged events with
one fsync, announces them, and acknowledges the workers that wait for it. So a step that changes AWS starts after its
`StepStarted` and all ends before it are on disk, and the cost of a turn depends on its messages only.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import Event
from lgtm_deploy.engine.journal_writer import JournalWriter

ResultT = TypeVar("ResultT")
Acknowledgement = Future[None]

# Maximum time between two turns, in seconds: `tick` checks deadlines.
_TICK = 0.2


class EventRecorder:
    """Records events of workers while they run."""

    def __init__(self, send: Callable[[Event, Acknowledgement | None], None]) -> None:
        self._send = send

    def record(self, event: Event) -> None:
        """Record the event with the next commit."""
        self._send(event, None)

    def record_durably(self, event: Event) -> None:
        """Record the event and return once it is on disk. Raise JournalError when it cannot be written."""
        acknowledgement: Acknowledgement = Future()
        self._send(event, acknowledgement)
        acknowledgement.result()


class Scheduler(Generic[ResultT]):
    """Runs jobs in the order of a graph: each starts when all jobs before it are done and a worker is free.

    `start` returns the event of a job's start, and the job; `end` returns the event of its result, and whether the jobs
    after it may start. `waits` tells whether a job must wait until its start is on disk. `may_start` is asked before a
    job starts. `tick` is called every turn. `abandon` is called once, when a job has crashed or the journal cannot be
    written: running jobs should end soon. The coordinator thread calls all of them.
    """

    def __init__(
        self,
        *,
        writer: JournalWriter,
        parallelism: int,
        start: Callable[[str], tuple[Event | None, Callable[[EventRecorder], ResultT]]],
        end: Callable[[str, ResultT], tuple[Event, bool]],
        waits: Callable[[str], bool] = lambda _: True,
        may_start: Callable[[], bool] = lambda: True,
        tick: Callable[[], None] = lambda: None,
        abandon: Callable[[], None] = lambda: None,
    ) -> None:
        self._writer = writer
        self._parallelism = parallelism
        self._start = start
        self._end = end
        self._waits = waits
        self._may_start = may_start
        self._tick = tick
        self._abandon = abandon
        self._recorder = EventRecorder(self._send)
        self._pool = ThreadPoolExecutor(parallelism, thread_name_prefix="worker")
        self._messages: SimpleQueue[tuple[Event, Acknowledgement | None] | Future[ResultT]] = SimpleQueue()
        self._sorter: TopologicalSorter[str] = TopologicalSorter()
        self._ready: deque[str] = deque()
        self._started: list[tuple[str, Callable[[EventRecorder], ResultT]]] = []
        self._running: dict[Future[ResultT], str] = {}
        self._unacknowledged: list[Acknowledgement] = []
        self._error: BaseException | None = None

    def run(self, order: Mapping[str, Iterable[str]]) -> None:
        """Run all jobs; `order` maps a job's name to the names before it. Ties go by the mapping's order.

        Jobs that wait for each other are left out. Raise the first error of a job or the journal, after all workers
        have ended.
        """
        for name in order:
            self._sorter.add(name)
        for name, before in order.items():
            self._sorter.add(name, *(each for each in before if each in order))
        with suppress(CycleError):
            self._sorter.prepare()
        with self._pool:
            while True:
                self._turn()
                if not (self._running or self._started) and self._messages.empty():
                    break
        if self._error is not None:
            raise self._error

    def _turn(self) -> None:
        for part in (
            self._handle_messages,
            self._dispatch_started,
            self._start_ready,
            self._writer.commit,
            self._acknowledge,
        ):
            try:
                part()
            except BaseException as error:  # a job explains its own failures: this is a defect, or the journal's
                self._give_up(error)

    def _send(self, event: Event, acknowledgement: Acknowledgement | None) -> None:
        """Send an event from a worker to the coordinator."""
        self._messages.put((event, acknowledgement))
        if self._error is not None and acknowledgement:
            # Nobody may read the queue any more.
            raise _not_written()

    def _handle_messages(self) -> None:
        """Wait for a message unless there is something else to do, then handle all that are there."""
        with suppress(Empty):
            self._handle(self._messages.get(timeout=_TICK if self._running and not self._started else 0))
            for _ in range(self._messages.qsize()):
                self._handle(self._messages.get())

    def _handle(self, message: tuple[Event, Acknowledgement | None] | Future[ResultT]) -> None:
        if isinstance(message, tuple):
            event, acknowledgement = message
            if acknowledgement:
                self._unacknowledged.append(acknowledgement)
            if self._error is None:
                self._writer.stage(event)
            return
        name = self._running.pop(message)
        if self._error is not None:
            return
        ended, goes_on = self._end(name, message.result())
        self._writer.stage(ended)
        if goes_on:
            self._sorter.done(name)

    def _dispatch_started(self) -> None:
        """Hand the jobs whose start is on disk to workers."""
        started, self._started = self._started, []
        for name, job in started:
            self._dispatch(name, job)

    def _dispatch(self, name: str, job: Callable[[EventRecorder], ResultT]) -> None:
        future = self._pool.submit(job, self._recorder)
        self._running[future] = name
        future.add_done_callback(self._messages.put)

    def _start_ready(self) -> None:
        if self._error is not None:
            return
        self._tick()
        self._ready.extend(self._sorter.get_ready())
        while self._ready and len(self._running) + len(self._started) < self._parallelism and self._may_start():
            name = self._ready.popleft()
            event, job = self._start(name)
            if event:
                self._writer.stage(event)
            if self._waits(name):
                self._started.append((name, job))
            else:
                self._dispatch(name, job)

    def _acknowledge(self) -> None:
        waiting, self._unacknowledged = self._unacknowledged, []
        for each in waiting:
            if self._error is None:
                each.set_result(None)
            else:
                each.set_exception(_not_written())

    def _give_up(self, error: BaseException) -> None:
        """Start no more jobs and let the running ones end."""
        self._started = []
        if self._error is None:
            self._abandon()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._error = error


def _not_written() -> JournalError:
    return JournalError("The run's journal can no longer be written.")
