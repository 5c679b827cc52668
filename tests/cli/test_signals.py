"""What is left of a process that is told to end."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lgtm_deploy.cli import signals as signals_module
from lgtm_deploy.cli.signals import heeded
from lgtm_deploy.core.event import HookFinished, RunFinished
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.storage.local import LocalJournal
from tests.adapters.test_hooks import is_gone

HANGS = """
import os, time
from lgtm_deploy.cli.signals import heeded
from lgtm_deploy.engine.cancellation import CancellationToken

def say(text):
    # Not a buffered stream, as in the product: a handler may come while it is in use.
    os.write(1, f"{{text}}\\n".encode())

stop = CancellationToken()
with heeded(stop, say):
    say("ready")
    {work}
say(f"{{stop.reason}} {{stop.cancelled_now}}")
"""


def told(work: str, *signals: signal.Signals) -> tuple[int, list[str]]:
    """How a process that does this ends after these signals: exit code and lines."""
    # Unbuffered: what follows a line in the pipe stays there for communicate(), which reads the pipe itself.
    with subprocess.Popen(
        [sys.executable, "-c", HANGS.format(work=work)], stdout=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            said = b""
            for number in signals:
                process.send_signal(number)
                said += process.stdout.readline()
            said += process.communicate(timeout=30)[0]
            return process.returncode, said.decode().splitlines()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGTERM,), id="terminated"),
        pytest.param((signal.SIGINT, signal.SIGINT), id="interrupted twice"),
    ],
)
def test_what_hangs_does_not_keep_the_process(signals: tuple[signal.Signals, ...]) -> None:
    code, _ = told("while True: time.sleep(600)", *signals)

    assert code == 130


def test_what_hangs_is_left_before_a_ci_runner_kills_it() -> None:
    """CI runners kill about ten seconds after SIGTERM."""
    assert signals_module._PATIENCE_AFTER_SIGTERM < signals_module._BUDGET_AFTER_SIGTERM < 10
    assert signals_module._LEAVING < 10


def test_what_heeds_it_ends_in_order() -> None:
    code, lines = told("while not stop.cancelled: time.sleep(0.05)", signal.SIGTERM)

    assert (code, lines) == (0, ["SIGTERM: stopping at the next safe point.", "terminated False"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_that_is_gone_keeps_nobody_from_stopping(number: signal.Signals) -> None:
    stop = CancellationToken()

    def gone(_text: str) -> None:
        raise BrokenPipeError

    with heeded(stop, gone):
        signal.raise_signal(number)

    assert stop.cancelled


def interrupted_once_it_says(line: bytes, work: str, number: signal.Signals) -> tuple[int, list[bytes]]:
    """How a process that does this ends when it gets that signal at that point."""
    with subprocess.Popen(
        [sys.executable, "-c", HANGS.format(work=work)], stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"ready\n", line + b"\n"]
        process.send_signal(number)
        said, _ = process.communicate(timeout=30)
        return process.returncode, said.splitlines()


@pytest.mark.parametrize("why", ["cancelled by ada", "the time allowed for the run is over"])
def test_a_first_ctrl_c_is_the_first_whoever_else_asked_to_stop(why: str) -> None:
    """A rollback is under way, maybe: one Ctrl-C does not stop it."""
    work = f"""
    stop.cancel({why!r})
    say("asked")
    for _ in range(50):
        time.sleep(0.01)
    """

    code, lines = interrupted_once_it_says(b"asked", work, signal.SIGINT)

    assert code == 0
    assert lines[0].startswith(b"Stopping at the next safe point")
    assert lines[-1] == f"{why} False".encode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_question_is_a_safe_point(number: signal.Signals) -> None:
    work = """
    from lgtm_deploy.cli.signals import interruptible
    with interruptible():
        try:
            say("asking")
            time.sleep(60)
        except KeyboardInterrupt:
            say("left")
    """

    code, lines = interrupted_once_it_says(b"asking", work, number)

    # It counts as any other: who is asked next, or insists, is heeded.
    why = {signal.SIGINT: b"interrupted", signal.SIGTERM: b"terminated"}[number]
    assert (code, lines[1:]) == (0, [b"left", why + b" False"])


# A run whose hook tells its process, minds no interrupt and goes on for long; another one would come after it.
HOOKED = """from dataclasses import replace
    from pathlib import Path
    from lgtm_deploy.adapters.command import run_hook
    from lgtm_deploy.core.plan import Hooks
    from lgtm_deploy.core.run import Run
    from lgtm_deploy.engine.conduct import Decisions, conduct
    from lgtm_deploy.engine.journal_writer import JournalWriter
    from lgtm_deploy.storage.local import LocalJournal
    from tests.engine.toys import Stage
    hook = ("sh", "-c", "trap '' INT; echo $$ > /proc/$PPID/fd/1; sleep 60; true")
    job = Stage({{"a": []}}, hooks=Hooks(succeeded=(hook, ("false",)), timeout=60.0)).job
    writer = JournalWriter(Run(id="7f3a"), LocalJournal(Path({file!r})), 1)
    job = replace(job, writer=writer, stop=stop)
    conduct(job, Decisions(approve=lambda _: True), run_hook, stack="lgtm", by="me")"""


@pytest.mark.parametrize(
    ("signals", "why"),
    [
        pytest.param((signal.SIGTERM,), "terminated", id="terminated"),
        pytest.param((signal.SIGINT, signal.SIGINT), "interrupted", id="interrupted twice"),
    ],
)
def test_a_hook_does_not_outlive_the_process_and_is_written_down(
    signals: tuple[signal.Signals, ...], why: str, tmp_path: Path
) -> None:
    file = tmp_path / "state.db"
    code = HANGS.format(work=HOOKED.format(file=str(file)))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            hook = int(process.stdout.readline())
            for number in signals:
                process.send_signal(number)
                process.stdout.readline()
            process.communicate(timeout=30)
        finally:
            process.kill()

    assert process.returncode == 0
    assert is_gone(hook)
    *_, told, last = (record.event for record in LocalJournal(file).records("7f3a"))
    assert isinstance(told, HookFinished)
    assert (told.exit_code, told.reason) == (130, f"stopped: {why}")
    assert isinstance(last, RunFinished)


def test_what_still_hangs_after_a_question_does_not_keep_the_process() -> None:
    """A hook, or a call to a store that is silent."""
    work = """
    from lgtm_deploy.cli.signals import interruptible
    with interruptible():
        try:
            say("asking")
            time.sleep(60)
        except KeyboardInterrupt:
            pass
    while True:
        time.sleep(60)
    """
    assert interrupted_once_it_says(b"asking", work, signal.SIGTERM)[0] == 130
