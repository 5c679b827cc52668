"""Callables that run side by side in threads: one for each item, or pieces of one step that stop together."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from lgtm_deploy.core.errors import InterruptedRunError
from lgtm_deploy.core.ports.progress import Progress

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")

# One that hangs must not hold up the rest.
_THREADS = 64


def side_by_side(act: Callable[[ItemT], ValueT], items: Sequence[ItemT], threads: int = 32) -> list[ValueT]:
    """Return what `act` makes of each item, in their order. Raises the first error, once all have ended."""
    if len(items) < 2:  # noqa: PLR2004 - one needs no thread
        return [act(item) for item in items]
    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="side-by-side") as pool:
        return list(pool.map(act, items))


class TaskGroup(Generic[ValueT]):
    """Leaving the block, however it is left, stops what still works and waits until it has cleaned up.

    Each task gets a progress of its own, which raises as soon as the block is being left or another task failed.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._leaving = threading.Event()
        self._failure: BaseException | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="task-group")

    def __enter__(self) -> "TaskGroup[ValueT]":
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._pool.shutdown(wait=True)

    def start(self, work: Callable[[Progress], ValueT]) -> "Future[ValueT]":
        """Start a task."""

        def attempt() -> ValueT:
            try:
                return work(self._tell)
            except BaseException as error:
                if not self._leaving.is_set():
                    self._failure = error
                    self._leaving.set()
                raise

        return self._pool.submit(attempt)

    def within(self, seconds: float, task: "Future[ValueT]") -> ValueT | None:
        """Return the task's result if it ends in time. Raises what the first task that failed has raised."""
        wait([task], timeout=seconds)
        return self.result(task) if task.done() else None

    def result(self, task: "Future[ValueT]") -> ValueT:
        """Return the task's result. Raises what the first task that failed has raised."""
        try:
            return task.result()
        except InterruptedRunError as error:
            raise self._failure or error from None

    def _tell(self, text: str) -> None:
        if self._leaving.is_set():
            raise InterruptedRunError("Stopped with the rest of the step.")
        self._progress(text)
