"""How do several long actions run at once, report through one progress, and stop together?"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

from lgtm_deploy.core.errors import InterruptedRunError
from lgtm_deploy.core.ports import Progress

_POLL_SECONDS = 0.1


class SideBySide:
    """Runs actions in threads; when one fails or the caller is interrupted, the others are told to stop.

    Progress of the actions is told from the caller's own thread: it need not be thread-safe.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def tell(self, text: str) -> None:
        """The progress for actions. Raises InterruptedRunError when they are to stop."""
        if self._stopping.is_set():
            raise InterruptedRunError("Another part failed or was interrupted.")
        if text:
            self._said.put(text)

    def run(self, actions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Runs them all and returns their results in order. Raises the first error, once all have stopped."""
        with ThreadPoolExecutor(max_workers=len(actions), thread_name_prefix="sandbox-up") as pool:
            futures = [pool.submit(action) for action in actions]
            try:
                self._follow(futures)
            except BaseException:
                self._stopping.set()
                raise
        return [future.result() for future in futures]

    def _follow(self, futures: Sequence[Future[Any]]) -> None:
        pending: set[Future[Any]] = set(futures)
        while pending:
            done, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            self._progress("")
            while not self._said.empty():
                self._progress(self._said.get())
            for future in done:
                future.result()
