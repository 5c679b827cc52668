"""Pieces of one step's work at the same time, that stop together."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from lgtm_deploy.core.errors import InterruptedRunError
from lgtm_deploy.core.ports import Progress

ValueT = TypeVar("ValueT")


class Abreast(Generic[ValueT]):
    """Leaving the block, however it is left, stops what still works and waits until it has cleaned up.

    What is begun gets a progress of its own, which raises as soon as the block is being left or another piece failed.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._leaving = threading.Event()
        self._failure: BaseException | None = None
        # As many as a step may have pieces: one that hangs must not hold up the rest.
        self._pool = ThreadPoolExecutor(max_workers=64, thread_name_prefix="abreast")

    def __enter__(self) -> "Abreast[ValueT]":
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._pool.shutdown(wait=True)

    def begin(self, work: Callable[[Progress], ValueT]) -> "Future[ValueT]":
        """Starts the work."""

        def attempt() -> ValueT:
            try:
                return work(self._tell)
            except BaseException as error:
                if not self._leaving.is_set():
                    self._failure = error
                    self._leaving.set()
                raise

        return self._pool.submit(attempt)

    def within(self, seconds: float, work: "Future[ValueT]") -> ValueT | None:
        """What came of it, if it ends so soon. Raises what the first piece that failed has raised."""
        wait([work], timeout=seconds)
        return self.result(work) if work.done() else None

    def result(self, work: "Future[ValueT]") -> ValueT:
        """What came of it. Raises what the first piece that failed has raised."""
        try:
            return work.result()
        except InterruptedRunError as error:
            raise self._failure or error from None

    def _tell(self, text: str) -> None:
        if self._leaving.is_set():
            raise InterruptedRunError("Stopped with the rest of the step.")
        self._progress(text)
