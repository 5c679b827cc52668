"""Which process this is, and whether another one still lives."""

import json
import os
import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process, told apart from a later one with the same number.

    `boot` is the kernel's boot, `space` the namespace that `pid` counts in, `started` in clock ticks since that boot;
    each is empty where the system does not tell.
    """

    host: str
    boot: str
    space: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> "Process":
        """The process that asks."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this number here and now."""
        return cls(host=socket.gethostname(), boot=_boot(), space=_space(), pid=pid, started=_started(pid))

    @classmethod
    def parse(cls, text: str) -> "Process":
        """The process that `str` wrote down; what a newer version has added is passed over."""
        written = json.loads(text)
        return cls(**{each.name: written[each.name] for each in fields(cls) if each.name in written})

    def __str__(self) -> str:
        return json.dumps(asdict(self))

    def is_gone(self) -> bool:
        """Whether it has certainly ended. False also where that cannot be seen from here: another machine or container,
        or no kernel that names its boot. A host name proves nothing: containers on many machines share one.
        """
        return self.is_of_this_boot() and self.space == _space() and not self._is_there()

    def is_gone_from_this_machine(self) -> bool:
        """The same for a process that is known to be one of this machine: it did not live through a new boot."""
        if self.boot != _boot():
            return self.host == socket.gethostname()
        return self.space == _space() and not self._is_there()

    def is_of_this_boot(self) -> bool:
        """Whether the kernel's clock is the same for it: the same machine, in whatever container, not started anew."""
        return bool(self.boot) and self.boot == _boot()

    def is_running(self) -> bool:
        """Whether it is certainly there and not stopped (SIGSTOP, a debugger). False where that cannot be seen."""
        if not self.is_of_this_boot() or self.space != _space() or not self.started:
            return False
        return self._is_there() and _stat(self.pid)[0] not in {"", "T", "t"}

    def _is_there(self) -> bool:
        if not self.started or not _stat(self.pid)[0]:
            # proc(5): mounted with `hidepid`, /proc has no files of other users' processes.
            return _answers(self.pid)
        return _started(self.pid) == self.started


def has_ended(text: str) -> bool:
    """Whether the process that `str` wrote down has certainly ended; False for a text that is none."""
    try:
        return Process.parse(text).is_gone()
    except (ValueError, TypeError):
        return False


def _boot() -> str:
    return _first_line(Path("/proc/sys/kernel/random/boot_id"))


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began; empty when there is none, or only its remains that wait for their parent."""
    fields = _stat(pid)
    return "" if fields[0] in {"", "Z", "X"} else fields[22 - 3]


def _stat(pid: int) -> list[str]:
    # proc(5): after the name in brackets, which may hold anything, come the state (field 3) … and starttime (22).
    return _first_line(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() or [""]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _first_line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
