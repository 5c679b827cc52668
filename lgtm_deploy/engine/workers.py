"""Threads that do what they are handed."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self


class Workers:
    """So many threads at the most, each started when there is more to do than threads. Handed out by one thread.

    What they are handed must not raise. None of them outlives the `with` block: its end waits for what is under way.
    A thread pool of the standard library does the same at four times the cost of a job, for it makes a future, a lock
    and a condition each time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads: list[threading.Thread] = []
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def do(self, job: Callable[[], None], *, busy: int) -> None:
        """Has a thread do it, now that so many others are `busy`. Raises RuntimeError when no thread can be started."""
        if busy >= len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=f"worker_{len(self._threads)}")
            thread.start()
            self._threads.append(thread)
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            # What it holds must not live until the next one comes.
            del job
