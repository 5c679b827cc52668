"""What the contracts of journal and lock are tried on: one memory, seen by a run and by another one elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.adapters.s3 import S3Objects
from lgtm_deploy.core.ports import Journal, Lock
from lgtm_deploy.fakes import FakeClock, FakeJournal, FakeLock, FakeObjects
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from lgtm_deploy.storage.process import Process
from lgtm_deploy.storage.shared import SharedJournal, SharedLock

LEASE, GRACE = 60.0, 20.0


class Memory(Protocol):
    """`lock` and `journal` are a run's; `other` and `elsewhere` are another's, of the same memory."""

    lock: Lock
    other: Lock
    journal: Journal
    elsewhere: Journal
    lease: float
    grace: float
    rounds: int
    """So often twenty race for it."""

    def pass_time(self, seconds: float) -> None:
        """In which `lock` gives no sign of life."""


class FakeMemory:
    lease, grace, rounds = LEASE, GRACE, 50

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = self.elsewhere = FakeJournal()
        self.lock = self.other = FakeLock(self.clock, self.journal)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


class LocalMemory:
    """The run's process is stopped: one that runs is never taken over."""

    lease, grace, rounds = LEASE, GRACE, 50

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


class SharedMemory:
    """In an object store that is faked: two that know nothing of each other but what stands there."""

    lease, grace, rounds = LEASE, GRACE, 50

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.objects = FakeObjects(self.clock)
        self.journal, self.elsewhere = (SharedJournal(self.objects, pause=self.clock.advance) for _ in range(2))
        self.lock, self.other = (SharedLock(self.objects, self.clock, pause=self.clock.advance) for _ in range(2))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)


BUCKET = "contracts"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A bucket of the local AWS."""

    endpoint: str

    def folder(self, name: str = "") -> S3Objects:
        """A part of it that nobody else writes to; each call has clients of its own."""
        aws = Aws(region="eu-west-1", endpoint_url=self.endpoint)
        return S3Objects(aws, bucket=BUCKET, prefix=f"{name or uuid.uuid4().hex}/")


class S3Memory:
    """In S3 itself, where time really passes: leases are short."""

    lease, grace, rounds = 3.0, 2.0, 3

    def __init__(self, folder: Callable[[str], S3Objects]) -> None:
        name, clock = uuid.uuid4().hex, SystemClock()
        self.journal, self.elsewhere = (SharedJournal(folder(name)) for _ in range(2))
        self.lock, self.other = (
            SharedLock(folder(name), clock, seconds=self.lease, grace=self.grace) for _ in range(2)
        )

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)


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
