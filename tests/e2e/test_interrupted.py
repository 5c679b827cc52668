"""A run that is told to stop: it stops at a safe point, says so, and can be gone on with."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.conftest import Checkout, Said
from tests.e2e.facts import fewest_healthy, killed_by_checks

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

# Of the sandbox's services, in seconds.
GRACE = 120


@dataclass(frozen=True, kw_only=True)
class Stopped:
    checkout: Checkout
    began: float
    exit_code: int
    lines: list[str]
    anew: Said
    resumed: Said


@pytest.fixture(scope="module")
def stopped(today: Checkout) -> Iterator[Stopped]:
    """SIGTERM while the new tasks are started: the hold is set, the health check has not moved."""
    began = time.time()
    words = [sys.executable, "-m", "lgtm_deploy", "apply", "prefix-change", "--env", "sandbox", "--yes"]
    process = subprocess.Popen(
        words, cwd=today.folder, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lines: list[str] = []
    assert process.stdout is not None
    watchdog = threading.Timer(200, process.kill)
    watchdog.start()
    for line in process.stdout:
        lines.append(line.rstrip())
        if "wait-for-tasks[pyroscope] started" in line:
            process.send_signal(signal.SIGTERM)
    exit_code = process.wait()
    watchdog.cancel()
    process.stdout.close()
    anew = today.apply()
    resumed = today.run("resume", "last", "--env", "sandbox", "--yes", "--output", "json")
    yield Stopped(
        checkout=today,
        began=began,
        exit_code=exit_code,
        lines=lines,
        anew=anew,
        resumed=resumed,
    )


def test_it_leaves_by_itself_and_says_how_to_go_on(stopped: Stopped) -> None:
    assert stopped.exit_code == 130, stopped.lines
    assert "lgtm-deploy resume" in stopped.lines[-1]


def test_a_new_run_is_refused_while_the_stopped_one_holds_the_grace_period(stopped: Stopped) -> None:
    assert stopped.anew.exit_code == 2
    assert "stopped half-way" in stopped.anew.err
    assert "resume" in stopped.anew.err


def test_it_is_gone_on_with_to_the_end_and_nothing_is_done_twice(stopped: Stopped) -> None:
    assert stopped.resumed.exit_code == 0, stopped.resumed.out + stopped.resumed.err
    assert stopped.resumed.finished["verdict"] == "deployed"
    records = stopped.checkout.records(stopped.began)
    started = [each["service"] for each in records if each["kind"] == "deployment" and each["to"] == "PENDING"]
    assert sorted(started) == ["lgtm-sandbox-grafana", "lgtm-sandbox-pyroscope", "lgtm-sandbox-tempo"]
    held = [
        each["identifiers"]["healthCheckGracePeriodSeconds"]
        for each in stopped.checkout.requests(stopped.began, "UpdateService")
        if "healthCheckGracePeriodSeconds" in each["identifiers"]
    ]
    assert held == [max(held), GRACE], "the grace period that was there before the first run is back"


def test_nobody_lost_a_target_meanwhile(stopped: Stopped) -> None:
    assert min(fewest_healthy(stopped.checkout.records(), stopped.began, time.time()).values()) >= 1
    assert killed_by_checks(stopped.checkout.records(stopped.began)) == []
