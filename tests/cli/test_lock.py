"""Who holds an environment, and how it is taken from a run that is dead."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.cli.app import run
from lgtm_deploy.core.errors import LockLostError
from lgtm_deploy.core.event import LockTakenOver, RunStarted, StepStarted
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from tests.config.files import STACK, lay_stack


class State:
    """What the stack in this folder remembers, as another process has it."""

    def __init__(self, folder: Path) -> None:
        file = folder / ".lgtm-deploy" / "state.db"
        self.lock = LocalLock(file, SystemClock())
        self.journal = LocalJournal(file)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    lay_stack(tmp_path, STACK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    found = State(tmp_path)
    yield found
    found.lock.close()
    found.journal.close()


def test_a_free_environment_is_told_as_free(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lock", "show", "--env", "prod"]) == 0
    assert capsys.readouterr().out == "prod is free.\n"


def test_who_holds_it_is_told_with_the_end_of_the_lease(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    state.lock.take("prod", "7f3a", "ci@runner-4")

    assert run(["lock", "show", "--env", "prod"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("prod is locked by run 7f3a (ci@runner-4) since ")
    assert "its lease ends " in said

    assert run(["--output", "json", "lock", "show", "--env", "prod"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["held"], told["run"], told["fence"]) == (True, "7f3a", 1)


def test_unlocking_frees_it_is_journaled_and_stops_the_run(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    lease = state.lock.take("prod", "7f3a", "ci@runner-4")
    now = datetime.now(UTC)
    began = RunStarted(
        at=now, plan="p", plan_digest="", stack="lgtm", environment="prod", by="ci@runner-4", steps={"a": ()}
    )
    state.journal.append("7f3a", lease.fence, [began])

    assert run(["unlock", "prod", "--run", "7f3a"]) == 0

    said = capsys.readouterr().out
    assert said.startswith("prod is free; run 7f3a (ci@runner-4) held it.\n")
    assert "lgtm-deploy resume 7f3a --env prod" in said
    assert isinstance(state.journal.records("7f3a")[-1].event, LockTakenOver)
    with pytest.raises(LockLostError):
        state.journal.append("7f3a", lease.fence, [StepStarted(at=now, step="a")])


def test_the_lock_of_another_run_is_left(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    lease = state.lock.take("prod", "7f3a", "ci@runner-4")

    assert run(["unlock", "prod", "--run", "91c2"]) == 4

    assert "locked by run 7f3a (ci@runner-4), not by run 91c2" in capsys.readouterr().err
    state.lock.renew(lease)


def test_what_is_free_cannot_be_unlocked(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["unlock", "prod", "--run", "7f3a"]) == 2
    assert "Environment 'prod' is not locked." in capsys.readouterr().err


def test_the_list_of_runs_joins_what_environments_share_and_what_they_do_not(state: State) -> None:
    from lgtm_deploy.cli.memory import _Together
    from lgtm_deploy.fakes import FakeJournal

    shared, local = FakeJournal(), FakeJournal()
    # The clock of who began the first of them was fast.
    for journal, name, minute in ((shared, "beef", 9), (shared, "7f3a", 1), (local, "91c2", 2), (shared, "d00d", 3)):
        began = RunStarted(
            at=datetime(2026, 1, 16, 0, minute, tzinfo=UTC),
            plan="p",
            plan_digest="",
            stack="lgtm",
            environment="prod",
            by="ci",
            steps={},
        )
        journal.append(name, 1, [began])
    together = _Together([shared, local])

    assert [each.run for each in together.runs(2)] == ["d00d", "91c2"]
    assert [each.run for each in together.runs(9)] == ["d00d", "91c2", "7f3a", "beef"]
    assert len(together.records("91c2")) == 1
    assert list(together.records("nothing")) == []
