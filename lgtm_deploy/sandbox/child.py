"""Which long-lived process did we start, does it still run, and how is it stopped?

The record is written by the process itself before it becomes the program, so that no interruption can leave a
program running that has no record.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox.files import write_text
from lgtm_deploy.sandbox.progress_limit import ProgressLimit

POLL_SECONDS = 0.05
# So many times as long a process that is busy is waited for.
_BUSY = 10

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Standard output is a pipe of ours until the record is written: it ends with that, or with the shell.
_RECORD_THEN_RUN = f'cat {_BOOT} /proc/$$/stat > "$0.new" && mv "$0.new" "$0" && exec "$@" >&2'
# The outer shell ends at once: the program is then a child of init, and never a zombie of ours.
_DETACH = '/bin/sh -c "$RECORD_THEN_RUN" "$@" 2>>"$LOG" &'
_START_TIME_FIELD = 19
_STATE_FIELD = 0
# User and system time, its own and that of children that it waited for (proc(5)).
_TIME_FIELDS = (11, 12, 13, 14)


@dataclass(frozen=True, kw_only=True)
class Child:
    """A process: its id and when it started, in clock ticks since boot, so that a recycled id is not taken for it."""

    pid: int
    started: str

    def runs(self) -> bool:
        """Whether that very process still runs."""
        try:
            fields = _fields(Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8"))
        except OSError:
            return False
        return fields[_START_TIME_FIELD] == self.started and fields[_STATE_FIELD] not in "ZX"

    @property
    def work_seconds(self) -> int:
        """The processor time that it has used so far, in whole seconds: it grows while the process gets on."""
        try:
            fields = _fields(Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8"))
        except OSError:
            return 0
        return sum(int(fields[each]) for each in _TIME_FIELDS) // os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, to that very process or to nobody."""
        if self.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, grace_seconds: float, progress: Progress) -> bool:
        """Send SIGTERM, and SIGKILL once it has done nothing for that long; return whether it left by itself."""
        self.signal(signal.SIGTERM)
        gentle = self.wait_gone(grace_seconds, progress)
        if not gentle:
            self.kill(progress)
        return gentle

    def kill(self, progress: Progress) -> None:
        """SIGKILL, and waits until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait_gone(5, progress)

    def wait_gone(self, seconds: float, progress: Progress) -> bool:
        """Wait until it ends, or has used no processor time for so long; return whether it ended."""
        limit = ProgressLimit(seconds, longest=seconds * _BUSY)
        while self.runs():
            limit.observe([self.work_seconds])
            if limit.has_passed:
                return False
            progress("")
            time.sleep(POLL_SECONDS)
        return True


def start(command: Sequence[str], *, record: Path, log: Path, environment: Mapping[str, str], directory: Path) -> None:
    """Starts a program in a session of its own; its output is appended to `log`, and `record` says which it is.

    Where there is no record afterwards, the program did not start, and the log may say why.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(record), *command],
        env={**environment, "RECORD_THEN_RUN": _RECORD_THEN_RUN, "LOG": str(log)},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )


def signs_of_work(record: Path, log: Path) -> set[tuple[str, int]]:
    """Return what shows that the recorded process gets on: its processor time, and the size of its log."""
    running = recorded(record)
    size = log.stat().st_size if log.exists() else 0
    return {("log", size), ("seconds", running.work_seconds if running else 0)}


def recorded(record: Path) -> Child | None:
    """The process that the record names, if it still runs."""
    try:
        boot, stat = record.read_text(encoding="utf-8").split("\n", 1)
        if boot != _BOOT.read_text(encoding="utf-8").strip():
            return None
        child = of_stat(stat)
    except (OSError, ValueError, IndexError):
        return None
    return child if child.runs() else None


def of_stat(stat: str) -> Child:
    """The process that a line of `/proc/…/stat` describes. Raises ValueError, IndexError."""
    return Child(pid=int(stat.split(" ", 1)[0]), started=_fields(stat)[_START_TIME_FIELD])


def record_self(record: Path) -> None:
    """Writes a record of the running process itself."""
    write_text(record, _BOOT.read_text(encoding="utf-8") + Path("/proc/self/stat").read_text(encoding="utf-8"))


def last_lines(log: Path, limit: int = 5) -> str:
    """The end of a log, in one line."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "no log"
    return " | ".join(line.strip() for line in lines[-limit:]) or "an empty log"


def _fields(stat: str) -> list[str]:
    # The second field, the name in parentheses, may hold spaces and parentheses itself (proc(5)).
    return stat.rpartition(")")[2].split()
