"""Stopping a run from another terminal."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.cli.app import run
from lgtm_deploy.core.event import Event, RunFinished, RunStarted, StepStarted
from lgtm_deploy.core.ports import Lease
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from tests.config.files import STACK, lay_stack

RUN = "7f3a9b21"


class Running:
    """A run that holds prod in the stack of this folder, and what it journals."""

    def __init__(self, folder: Path) -> None:
        file = folder / ".lgtm-deploy" / "state.db"
        self.over = threading.Event()
        self.lock = LocalLock(file, SystemClock())
        self.journal = LocalJournal(file)
        self.lease: Lease = self.lock.take("prod", RUN, "ci@runner-4")
        steps = {"a": (), "b": ("a",)}
        now = datetime.now(UTC)
        self.write(
            RunStarted(at=now, plan="p", plan_digest="", stack="lgtm", environment="prod", by="ci", steps=steps),
            StepStarted(at=now, step="a"),
        )

    def write(self, *happened: Event) -> None:
        self.journal.append(RUN, self.lease.fence, happened)

    def finish(self, **changes: object) -> None:
        ended = RunFinished(at=datetime.now(UTC), verdict="interrupted", exit_code=130, seconds=1.0, reason="stopped")
        self.write(replace(ended, **changes))  # type: ignore[arg-type]

    def end(self, **changes: object) -> None:
        """As a run does that has been asked to."""
        self.finish(**changes)
        self.lock.release(self.lease)

    def when_cancelled(self, do: Callable[[str], None]) -> threading.Thread:
        """Does that once somebody has wished it to stop."""

        def wait() -> None:
            while not self.over.is_set():
                who = self.lock.cancelled(self.lease)
                if who:
                    return do(who)
                self.over.wait(0.005)
            return None

        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    def close(self) -> None:
        self.over.set()
        self.lock.close()
        self.journal.close()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    lay_stack(tmp_path, STACK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    found = Running(tmp_path)
    yield found
    found.close()


def test_it_waits_until_the_run_has_ended_and_says_how_to_go_on(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = running.when_cancelled(lambda who: running.end(reason=f"cancelled by {who}; done so far: a"))

    assert run(["cancel", "7f3a"]) == 0

    thread.join()
    asked, ended = capsys.readouterr().out.splitlines()
    assert asked == f"Asked run {RUN} (ci@runner-4) to stop at its next safe point."
    assert ended.startswith(f"Run {RUN} has ended: interrupted, cancelled by ada@")
    assert f"`lgtm-deploy resume {RUN} --env prod`" in ended
    assert f"`lgtm-deploy rollback {RUN} --env prod`" in ended


def test_a_run_that_was_done_before_it_noticed_is_told_as_that(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = running.when_cancelled(lambda _: running.end(verdict="deployed", exit_code=0, reason=""))

    assert run(["cancel", "last"]) == 0

    thread.join()
    assert capsys.readouterr().out.splitlines()[-1] == f"Run {RUN} has ended: deployed."


def test_programs_get_one_object(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    thread = running.when_cancelled(lambda _: running.end())

    assert run(["cancel", RUN, "--output", "json"]) == 0

    thread.join()
    assert json.loads(capsys.readouterr().out) == {"run": RUN, "verdict": "interrupted", "reason": "stopped"}


def test_it_does_not_wait_for_ever(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cancel", RUN, "--timeout", "0.05"]) == 5

    assert f"Run {RUN} still holds 'prod' after 0.05 s." in capsys.readouterr().err
    assert running.lock.cancelled(running.lease).startswith("ada@"), "the wish stays"


def test_a_run_that_has_ended(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.end(verdict="deployed", exit_code=0)

    assert run(["cancel", RUN]) == 2
    assert capsys.readouterr().err == f"Error: Run {RUN} is not running: it has ended, deployed.\n"


@pytest.mark.parametrize("next_one", ["", "91c2"])
def test_a_run_that_was_killed(running: Running, capsys: pytest.CaptureFixture[str], next_one: str) -> None:
    running.lock.release(running.lease)
    other = running.lock.take("prod", next_one, "bob") if next_one else None

    assert run(["cancel", RUN]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: Run {RUN} is not running: its process ended without a verdict. Go on with")
    assert other is None or running.lock.cancelled(other) == ""


def test_a_run_that_ends_without_a_verdict_is_told(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    thread = running.when_cancelled(lambda _: running.lock.release(running.lease))

    assert run(["cancel", RUN]) == 1

    thread.join()
    assert "has ended without a verdict" in capsys.readouterr().out


def test_a_run_that_is_about_to_be_undone_is_cancelled_too(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its verdict is the one of before: what goes on is written down once the wait, or the question, is over."""
    running.finish(verdict="timed-out", exit_code=5)
    stopped = running.when_cancelled(lambda _: running.lock.release(running.lease))

    assert run(["cancel", RUN, "--env", "prod", "--timeout", "20"]) == 0
    stopped.join()
    assert f"Run {RUN} has ended: timed-out" in capsys.readouterr().out
