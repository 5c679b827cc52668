"""How a program is run so that its output is live and it can always be stopped."""

import contextlib
import fcntl
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lgtm_deploy.core.errors import DeadlineError, MissingToolError
from lgtm_deploy.core.ports import Progress

_LOG = logging.getLogger(__name__)

POLL_SECONDS = 0.1
GRACE_SECONDS = 8.0
LINGER_SECONDS = 2.0
# What a program may still write after this process is gone, for each output (pipe(7): the most without privilege).
PIPE_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a program ended: its exit code (negative: the signal that ended it) and the lines that it wrote."""

    exit_code: int
    output: tuple[str, ...]
    errors: tuple[str, ...]


class KilledError(Exception):
    """The program did not end when it was interrupted, and was killed. `__cause__` is why it was stopped."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to run. Nothing of the caller's environment is passed on but `environment`.

    `limit` is in seconds; `grace` is how long, in seconds, the program may take to end after an interrupt; `quiet`
    keeps standard output from progress; `started` is told the program's process id. With `lasting`, a program that
    outlives this process can go on writing and end in its own order, instead of dying of its next line (SIGPIPE).
    """

    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    stdin: IO[bytes] | None = None
    limit: float = 3600.0
    grace: float = GRACE_SECONDS
    quiet: bool = False
    lasting: bool = False
    started: Callable[[int], None] = lambda _: None


def run(command: Command, progress: Progress) -> Finished:
    """Runs to the end and tells every line.

    When progress raises or the limit passes, the program gets an interrupt (SIGINT, as from Ctrl-C), then up to `grace`
    seconds, then its whole process group is killed and KilledError raised from what progress raised.
    """
    child, outputs = _start(command)
    command.started(child.pid)
    lines: queue.SimpleQueue[tuple[bool, str]] = queue.SimpleQueue()
    readers = [_reader(stream, lines, is_error=bool(number)) for number, stream in enumerate(outputs)]
    output: list[str] = []
    errors: list[str] = []

    def drain(timeout: float, tell: Progress) -> None:
        try:
            is_error, line = lines.get(timeout=timeout)
        except queue.Empty:
            tell("")
            return
        (errors if is_error else output).append(line)
        tell("" if command.quiet and not is_error else line)

    deadline = time.monotonic() + command.limit
    ended = 0.0
    try:
        while _is_going(readers, ended) or not lines.empty():
            _check(command, deadline)
            drain(POLL_SECONDS, progress)
            if not ended and child.poll() is not None:
                ended = time.monotonic()
    except BaseException as reason:
        if not _stop(child, command.grace):
            raise KilledError(Path(command.arguments[0]).name) from reason
        raise
    finally:
        if any(reader.is_alive() for reader in readers):
            _kill_group(child)
        for reader in readers:
            reader.join(timeout=1)
    # Arguments may be secret.
    _LOG.debug("%s in %s: exit %s", command.arguments[0], command.directory, child.returncode)
    return Finished(exit_code=child.returncode, output=tuple(output), errors=tuple(errors))


def _is_going(readers: list[threading.Thread], ended: float) -> bool:
    """Until the program has ended and its output is read; what it left running may hold the output open for good."""
    if not ended:
        return True
    return any(reader.is_alive() for reader in readers) and time.monotonic() < ended + LINGER_SECONDS


def _check(command: Command, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise DeadlineError(f"{Path(command.arguments[0]).name} did not end within {command.limit:.0f} s.")


def _start(command: Command) -> tuple[subprocess.Popen[bytes], list[IO[bytes]]]:
    """The program, and its output and errors."""
    pipes = [os.pipe(), os.pipe()]
    outputs: list[IO[bytes]] = [os.fdopen(reading, "rb") for reading, _ in pipes]
    try:
        with contextlib.ExitStack() as done:
            for _, writing in pipes:
                done.callback(os.close, writing)
            # A session of its own keeps the terminal's Ctrl-C away: this tool decides when the program is interrupted.
            child = subprocess.Popen(
                list(command.arguments),
                cwd=command.directory,
                env=dict(command.environment),
                stdin=command.stdin or subprocess.DEVNULL,
                stdout=pipes[0][1],
                stderr=pipes[1][1],
                start_new_session=True,
                pass_fds=_kept_open(pipes) if command.lasting else (),
            )
    except OSError as error:
        for stream in outputs:
            stream.close()
        raise MissingToolError(f"{command.arguments[0]} cannot be started: {error.strerror}.") from error
    return child, outputs


def _kept_open(pipes: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """The ends to read from: a pipe is broken when nobody has one, so the program gets its own, and room to write."""
    for reading, _ in pipes:
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return tuple(reading for reading, _ in pipes)


def _reader(stream: IO[bytes], lines: "queue.SimpleQueue[tuple[bool, str]]", *, is_error: bool) -> threading.Thread:
    def read() -> None:
        with stream:
            for line in stream:
                lines.put((is_error, line.decode("utf-8", "replace").rstrip("\r\n")))

    thread = threading.Thread(target=read, name="child-output", daemon=True)
    thread.start()
    return thread


def _stop(child: subprocess.Popen[bytes], grace: float) -> bool:
    """Whether the program ended by itself after the interrupt."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        ended = False
    else:
        ended = True
    _kill_group(child)
    child.wait()
    return ended


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    # What the program had started (Terraform's providers) must not outlive it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
