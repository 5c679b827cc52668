"""What is left of a process that is told to end."""

import signal
import subprocess
import sys
import time

import pytest

HANGS = """
import os, time
from lgtm_deploy.cli.signals import heeded
from lgtm_deploy.engine.stop import Stop

def say(text):
    # Not a buffered stream, as in the product: a handler may come while it is in use.
    os.write(1, f"{{text}}\\n".encode())

stop = Stop()
with heeded(stop, say):
    say("ready")
    {work}
say(f"{{stop.reason}} {{stop.insisted}}")
"""


def told(work: str, *signals: signal.Signals) -> tuple[int, list[str], float]:
    """How a process that does this ends after these signals: exit code, lines, seconds."""
    # Unbuffered: what follows a line in the pipe stays there for communicate(), which reads the pipe itself.
    with subprocess.Popen(
        [sys.executable, "-c", HANGS.format(work=work)], stdout=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            began, said = time.monotonic(), b""
            for number in signals:
                process.send_signal(number)
                said += process.stdout.readline()
            said += process.communicate(timeout=30)[0]
            return process.returncode, said.decode().splitlines(), time.monotonic() - began
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("signals", "budget"),
    [
        # It leaves after 7.9 s and 5 s; CI runners kill about ten seconds after SIGTERM.
        pytest.param((signal.SIGTERM,), 10.0, id="terminated"),
        pytest.param((signal.SIGINT, signal.SIGINT), 9.0, id="interrupted twice"),
    ],
)
def test_what_hangs_does_not_keep_the_process(signals: tuple[signal.Signals, ...], budget: float) -> None:
    code, _, seconds = told("while True: time.sleep(60)", *signals)

    assert code == 130
    assert seconds < budget


def test_what_heeds_it_ends_in_order() -> None:
    code, lines, _ = told("while not stop.asked: time.sleep(0.05)", signal.SIGTERM)

    assert (code, lines) == (0, ["SIGTERM: stopping at the next safe point.", "terminated False"])


@pytest.mark.parametrize("why", ["cancelled by ada", "the time allowed for the run is over"])
def test_a_first_ctrl_c_is_the_first_whoever_else_asked_to_stop(why: str) -> None:
    """A rollback is under way, maybe: one Ctrl-C does not stop it."""
    work = f"stop.ask({why!r}); [time.sleep(0.05) for _ in range(20)]"

    code, lines, _ = told(work, signal.SIGINT)

    assert code == 0
    assert lines[-1] == f"{why} False"
    assert lines[0].startswith("Stopping at the next safe point")


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
    with subprocess.Popen([sys.executable, "-c", HANGS.format(work=work)], stdout=subprocess.PIPE, bufsize=0) as asking:
        assert asking.stdout is not None
        assert [asking.stdout.readline() for _ in range(2)] == [b"ready\n", b"asking\n"]
        asking.send_signal(number)
        said, _ = asking.communicate(timeout=30)
        assert (asking.returncode, said.splitlines()) == (0, [b"left", b" False"])
