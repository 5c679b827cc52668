"""A run is undone on request and cancelled from another terminal: image, health check and grace period come back."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Checkout
from tests.e2e.facts import fewest_healthy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

BOTH = ("tempo", "pyroscope")
Status = dict[str, dict[str, str]]


def told(status: Status) -> dict[str, tuple[str, str, str]]:
    """What users depend on."""
    return {name: (status[name]["digest"], status[name]["path"], status[name]["targets"]) for name in BOTH}


@pytest.fixture(scope="module")
def start(today: Checkout) -> Status:
    return today.status()


class Apply:
    """A deployment in a process of its own, which can be watched while it runs."""

    def __init__(self, checkout: Checkout, *what: str) -> None:
        words = [sys.executable, "-m", "lgtm_deploy", *(what or ("apply", "prefix-change"))]
        words += ["--env", "sandbox", "--yes"]
        self.process = subprocess.Popen(
            [*words, "--output", "json"], cwd=checkout.folder, env=dict(os.environ), stdout=subprocess.PIPE, text=True
        )
        self.run = ""

    def lines(self) -> Iterator[dict[str, str]]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self.run = event["run"]
            yield event

    def until(self, event: str, step: str) -> None:
        """Reads on until that has happened."""
        for each in self.lines():
            if (each["event"], each.get("step")) == (event, step):
                return
        pytest.fail(f"it ended before {event} of {step}")

    def rest(self) -> dict[str, str]:
        """Reads to the end; the last event."""
        *_, last = self.lines()
        return last

    def end(self) -> int:
        assert self.process.stdout is not None
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code


def test_a_deployed_change_is_undone_without_a_gap(today: Checkout, start: Status) -> None:
    assert today.apply().exit_code == 0
    assert told(today.status()) != told(start)
    began = time.time()

    back = today.run("rollback", "last", "--env", "sandbox", "--yes", "--output", "json")

    assert back.exit_code == 0, back.out + back.err
    assert (back.finished["verdict"], back.finished["exit_code"]) == ("rolled-back", 0)
    assert told(today.status()) == told(start)
    fewest = fewest_healthy(today.records(), began, time.time())
    assert min(fewest.values()) >= 1, fewest
    again = today.run("rollback", "last", "--env", "sandbox", "--yes")
    assert (again.exit_code, "there is nothing to undo" in again.err) == (0, True)


@pytest.mark.acceptance
def test_a_change_that_was_killed_while_terraform_ran_is_undone(today: Checkout, start: Status) -> None:
    apply = Apply(today)
    apply.until("StepObserved", "switch-health-checks")
    apply.process.kill()
    apply.end()

    back = today.run("rollback", apply.run[:5], "--env", "sandbox", "--yes", "--output", "json")

    assert back.exit_code == 0, back.out + back.err
    assert told(today.status()) == told(start)


def child_of(parent: int, *words: str) -> int:
    """The process of that parent whose command line has all of these words, once it is there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                # Field 4, after a name in parentheses (proc(5)).
                is_child = int((each / "stat").read_text().rpartition(")")[2].split()[1]) == parent
                if is_child and all(word in (each / "cmdline").read_text() for word in words):
                    return int(each.name)
        time.sleep(0.005)
    pytest.fail(f"no process of {parent} is {' '.join(words)}")


@pytest.mark.acceptance
def test_a_terraform_that_outlives_its_killed_run_is_waited_for(today: Checkout, start: Status) -> None:
    apply = Apply(today)
    apply.until("StepObserved", "switch-health-checks")
    # It has the state's lock before it starts its provider, and changes nothing while that stands still.
    terraform = child_of(apply.process.pid, "terraform", "apply")
    provider = child_of(terraform, "terraform-provider-aws")
    os.kill(provider, signal.SIGSTOP)
    try:
        apply.process.kill()
        apply.end()
        before = {name: row["path"] for name, row in today.status().items()}
        back = Apply(today, "rollback", apply.run)
        waits = next((each for each in back.lines() if "waiting for the state's lock" in each.get("message", "")), None)
    finally:
        os.kill(provider, signal.SIGCONT)

    assert before == {name: row["path"] for name, row in start.items()}, "the health check had moved before"
    assert waits, "it did not wait"
    assert (back.rest()["verdict"], back.end()) == ("rolled-back", 0)
    assert told(today.status()) == told(start)


def test_a_run_is_cancelled_from_another_terminal_and_undone(today: Checkout, start: Status) -> None:
    apply = Apply(today)
    apply.until("StepStarted", "wait-for-tasks[pyroscope]")

    said = today.run("cancel", apply.run, "--env", "sandbox")

    last = apply.rest()
    assert (said.exit_code, apply.end()) == (0, 130), said.out + said.err
    assert last["verdict"] == "interrupted"
    assert last["reason"].startswith("cancelled by ")
    assert f"lgtm-deploy rollback {apply.run}" in said.out
    back = today.run("rollback", apply.run, "--env", "sandbox", "--yes", "--output", "json")
    assert back.exit_code == 0, back.out + back.err
    assert told(today.status()) == told(start)
