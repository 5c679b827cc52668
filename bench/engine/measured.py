"""One run of one engine on one graph, in a process of its own, bounded in time."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.engine.peer import Peer

# A run that takes longer is not waited for, in seconds.
LIMIT = 120.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run says of itself: how long it took in seconds, how many steps it did, its peak of memory in MB; `first`
    is how long after its process was started the first step began. What measures the disk gives the `mean` of its
    syncs, and `rested`, the median of those that come after a rest, both in seconds."""

    seconds: float
    done: int
    peak: float
    first: float = 0.0
    commits: int = 0
    mean: float = 0.0
    rested: float = 0.0


class NotMeasuredError(Exception):
    """Why there is no figure."""


class Bench:
    """Runs engines, each in a new folder below `home`: on the file system whose syncs are measured."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, peer: Peer, graph: Path, *how: str) -> Told:
        """Runs it from its start. Raises NotMeasuredError."""
        with self._folder() as folder:
            return _told(peer, graph, folder, *how)

    def resumed(self, peer: Peer, graph: Path) -> Told:
        """Kills it in the middle and goes on until the first step begins. Raises NotMeasuredError."""
        with self._folder() as folder:
            ended = _started(peer, graph, folder, "kill")
            if ended[0] != -signal.SIGKILL:
                raise NotMeasuredError(f"exit {ended[0]} instead of being killed: {ended[1][-200:]}")
            return _told(peer, graph, folder, "resume")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.home, ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _told(peer: Peer, graph: Path, folder: Path, *how: str) -> Told:
    began = time.time()
    code, said = _started(peer, graph, folder, *how)
    lines = [line for line in said.splitlines() if line.startswith('{"seconds"')]
    if code or not lines:
        raise NotMeasuredError(f"exit {code}: {said[-200:]}")
    told = Told(**json.loads(lines[-1]))
    first = told.first - began if told.first else 0.0
    return replace(told, first=first)


def _started(peer: Peer, graph: Path, folder: Path, *how: str) -> tuple[int, str]:
    command = [*peer.command, str(graph), str(folder), *how]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        _first_in_line(process.pid)
        try:
            said, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            # A session of its own: what the engine has started goes with it.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise NotMeasuredError(f"more than {LIMIT:.0f} s") from None
        return process.returncode, said


def _first_in_line(process: int) -> None:
    """What is measured goes before what else this machine does, where that is allowed: the same for all engines."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, -20)
    with suppress(OSError):
        Path(f"/proc/{process}/autogroup").write_text("-20")
