"""Which state lock is this run's own, so that it may be given back when its Terraform is gone?"""

import re
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lgtm_deploy.adapters.terraform_output import StateLock
from lgtm_deploy.core.errors import DeployError, InterruptedRunError
from lgtm_deploy.core.ports import Noted, Progress

# Terraform says so of each resource that it begins with: from then on it certainly holds the lock.
_BEGUN = re.compile(r"^\S.*: (Creating|Modifying|Destroying|Reading|Refreshing state|Provisioning with)\b")
# Between a program's start and the moment it is asked for, and between two readings of the clock.
_SLACK = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """Which state locks a run holds or held.

    `name` writes down the process with that number, `is_gone` says whether one so written down has certainly ended, and
    `taken` reads from the run's journal the id of each lock, to the process that took it.
    """

    name: Callable[[int], str]
    is_gone: Callable[[str], bool]
    taken: Callable[[], Mapping[str, str]]

    def is_left_behind(self, lock: StateLock) -> bool:
        """Whether the lock was taken by a Terraform of this run, and that has certainly ended."""
        process = self.taken().get(lock.id)
        return process is not None and self.is_gone(process)


class LockWatch:
    """Finds out the id of the lock that an apply holds, and tells it once.

    Terraform tells the id of a lock only to whoever meets it: so another one is let to meet it, `look`, in a thread of
    its own. Used as the progress of the apply; `end` must follow, after which nothing is left running.
    """

    def __init__(self, ownership: Ownership, look: Callable[[Progress], StateLock | None], tell: Progress) -> None:
        self._ownership = ownership
        self._look = look
        self._tell = tell
        self._process = ""
        self._started = self._begun = datetime.max.replace(tzinfo=UTC)
        self._found: StateLock | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def started(self, pid: int) -> None:
        """The apply is that process."""
        self._process = self._ownership.name(pid)
        self._started = datetime.now(UTC)

    def __call__(self, line: str) -> None:
        """Tells the line, and the lock as soon as it is known."""
        if self._thread is None and _BEGUN.match(line):
            self._begun = datetime.now(UTC)
            self._thread = threading.Thread(target=self._meet, name="state-lock", daemon=True)
            self._thread.start()
        if self._found:
            self._tell(
                Noted(f"holding the state's lock {self._found.id}", state_lock=self._found.id, process=self._process)
            )
            self._found = None
        self._tell(line)

    def end(self) -> None:
        """The apply has ended: what still looks is stopped."""
        self._over.set()
        if self._thread:
            self._thread.join()

    def _meet(self) -> None:
        try:
            lock = self._look(self._go_on)
        except DeployError:
            # Then nobody knows the id, and nobody gives the lock back but by hand.
            return
        if lock and self._is_its(lock):
            self._found = lock

    def _go_on(self, _line: str) -> None:
        if self._over.is_set():
            raise InterruptedRunError("The apply has ended.")

    def _is_its(self, lock: StateLock) -> bool:
        """Whether it is the apply's own lock, and not one that somebody took as soon as the apply had given it back:
        that would be younger than the apply's first line. Only times of one host are compared."""
        here = lock.who.rpartition("@")[2] == socket.gethostname()
        timely = lock.created is not None and self._started - _SLACK <= lock.created <= self._begun
        return here and timely and lock.operation == "apply"
