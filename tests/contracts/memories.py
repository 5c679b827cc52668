"""What the contracts of journal and lock are tried on: one memory, seen by a run and by another one elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lgtm_deploy.core.ports import Journal, Lock
from lgtm_deploy.fakes import FakeClock, FakeJournal, FakeLock
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from lgtm_deploy.storage.process import Process

LEASE, GRACE = 60.0, 20.0


class Memory(Protocol):
    """`lock` and `journal` are a run's; `other` and `elsewhere` are another's, of the same memory."""

    lock: Lock
    other: Lock
    journal: Journal
    elsewhere: Journal
    lease: float
    grace: float

    def pass_time(self, seconds: float) -> None:
        """In which `lock` gives no sign of life."""


class FakeMemory:
    lease, grace = LEASE, GRACE

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = self.elsewhere = FakeJournal()
        self.lock = self.other = FakeLock(self.clock, self.journal)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


class LocalMemory:
    """The run's process is stopped: one that runs is never taken over."""

    lease, grace = LEASE, GRACE

    def __init__(self, file: Path, stopped: Process) -> None:
        self.clock = FakeClock()
        self.journal, self.elsewhere = LocalJournal(file), LocalJournal(file)
        self.lock = LocalLock(file, self.clock, process=lambda: stopped)
        self.other = LocalLock(file, self.clock)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def close(self) -> None:
        for each in (self.journal, self.elsewhere, self.lock, self.other):
            each.close()


@contextmanager
def stopped_process() -> Iterator[Process]:
    """A process that is there and does nothing."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        yield Process.of(child.pid)
    finally:
        child.kill()
        child.communicate()
