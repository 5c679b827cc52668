"""A run that may not begin, or not go on, leaves no folder of its own."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.cli import memory, running, wiring
from lgtm_deploy.cli.app import run
from lgtm_deploy.config import plan_file
from lgtm_deploy.core.event import Event, RunFinished, RunStarted, StepObserved
from lgtm_deploy.recipes.registry import BUNDLED
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from tests.kills.faked import join
from tests.steps.simulation import copy_example

AT = datetime(2026, 1, 16, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state file of the example stack, whose environment is a cloud in memory."""
    folder = tmp_path / "stack"
    copy_example(folder)
    monkeypatch.chdir(folder)
    for room, name in (
        (wiring, "sights"),
        (wiring, "ports"),
        (memory, "lock"),
        (memory, "_objects"),
        (running, "CancellationToken"),
    ):
        monkeypatch.setattr(room, name, getattr(room, name))
    join(lambda: None)
    return folder / ".lgtm-deploy" / "state.db"


def remember(state: Path, run_id: str, *, days: int = 0, finished: bool = False) -> None:
    """A run that has changed something, and maybe its verdict."""
    plan = plan_file.load(plan_file.find("prefix-change", Path.cwd()), BUNDLED)
    at = AT + timedelta(days=days)
    happened: list[Event] = [
        RunStarted(
            at=at, plan=plan.name, plan_digest=plan.digest, stack="lgtm", environment="prod", by="ci", steps={"a": ()}
        ),
        StepObserved(at=at, step="a", seen={}, change="turn a"),
    ]
    if finished:
        happened.append(RunFinished(at=at, verdict="deployed", exit_code=0, seconds=1.0, reason=""))
    journal = LocalJournal(state)
    journal.append(run_id, 1 + days, happened)
    journal.close()


def left(state: Path) -> list[str]:
    runs = state.parent / "runs"
    return sorted(each.name for each in runs.iterdir()) if runs.is_dir() else []


def test_an_apply_while_another_run_has_the_environment(state: Path) -> None:
    lock = LocalLock(state, SystemClock())
    lock.take("prod", "7f3a", "ci@runner-4")

    assert run(["apply", "prefix-change", "--yes", "--env", "prod"]) == 4
    assert left(state) == []
    lock.close()


def test_an_apply_after_a_run_that_was_stopped_half_way(state: Path) -> None:
    remember(state, "7f3a9b21")

    assert run(["apply", "prefix-change", "--yes", "--env", "prod"]) == 2
    assert left(state) == []


def test_a_rollback_of_what_another_run_has_changed_since(state: Path) -> None:
    remember(state, "7f3a9b21", finished=True)
    remember(state, "91c2aa00", days=1, finished=True)

    assert run(["rollback", "7f3a", "--yes", "--env", "prod"]) == 2
    assert left(state) == []


def test_what_a_stopped_run_has_made_stays(state: Path) -> None:
    remember(state, "7f3a9b21", finished=True)
    remember(state, "91c2aa00", days=1, finished=True)
    (state.parent / "runs" / "7f3a9b21").mkdir(parents=True)
    (state.parent / "runs" / "7f3a9b21" / "alb.apply.tfplan").touch()

    assert run(["rollback", "7f3a", "--yes", "--env", "prod"]) == 2
    assert left(state) == ["7f3a9b21"]


def test_a_look_ahead_without_an_engine(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no engine")

    monkeypatch.setattr(wiring, "ports", broken)

    with pytest.raises(RuntimeError):
        run(["plan", "prefix-change", "--env", "prod"])
    with pytest.raises(RuntimeError):
        run(["apply", "prefix-change", "--yes", "--env", "prod"])
    assert left(state) == []
