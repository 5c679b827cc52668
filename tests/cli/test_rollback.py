"""Undoing a run from the command line, as far as no world outside is needed for it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lgtm_deploy.cli.app import run
from lgtm_deploy.core.event import Event, RunFinished, RunStarted, StepObserved, StepStarted, Verdict
from lgtm_deploy.storage.local import LocalJournal
from tests.config.files import PLAN, STACK, lay_stack

AT = datetime(2026, 1, 16, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalJournal]:
    lay_stack(tmp_path, STACK)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "p.yaml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    found = LocalJournal(tmp_path / ".lgtm-deploy" / "state.db")
    yield found
    found.close()


def remember(journal: LocalJournal, verdict: Verdict | None, *, digest: str = "", acted: bool = True) -> None:
    happened: list[Event] = [
        RunStarted(
            at=AT,
            plan="p",
            plan_digest=digest,
            stack="lgtm",
            environment="prod",
            by="ci",
            steps={"a": ()},
            version="0.0.1",
        ),
        StepStarted(at=AT, step="a"),
    ]
    if acted:
        happened.append(StepObserved(at=AT, step="a", seen={}, change="turn a"))
    if verdict:
        happened.append(RunFinished(at=AT, verdict=verdict, exit_code=1, seconds=1.0, reason="because"))
    journal.append("7f3a9b21", 1, happened)


@pytest.mark.parametrize("verdict", ["unchanged", "refused", "rolled-back"])
def test_a_run_that_left_everything_as_it_was_has_nothing_to_undo(
    journal: LocalJournal, capsys: pytest.CaptureFixture[str], verdict: Verdict
) -> None:
    remember(journal, verdict)

    assert run(["rollback", "7f3a", "--env", "prod"]) == 0
    assert capsys.readouterr().err == f"Run 7f3a9b21 is {verdict}: there is nothing to undo.\n"
    assert len(journal.records("7f3a9b21")) == 4


def test_an_interrupted_run_that_changed_nothing_has_nothing_to_undo(
    journal: LocalJournal, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(journal, "interrupted", acted=False)

    assert run(["rollback", "last", "--env", "prod", "--yes"]) == 0
    assert "has changed nothing" in capsys.readouterr().err


def test_no_terminal_and_no_yes(journal: LocalJournal, capsys: pytest.CaptureFixture[str]) -> None:
    remember(journal, "deployed")

    assert run(["rollback", "7f3a", "--env", "prod"]) == 2
    assert "There is no terminal to ask for approval at. Pass --yes to undo without it." in capsys.readouterr().err


def test_a_plan_that_has_changed_since(journal: LocalJournal, capsys: pytest.CaptureFixture[str]) -> None:
    remember(journal, "deployed", digest="another")

    assert run(["rollback", "7f3a", "--env", "prod", "--yes"]) == 2
    assert "has changed since run 7f3a9b21 began" in capsys.readouterr().err


def test_there_is_no_such_run(journal: LocalJournal, capsys: pytest.CaptureFixture[str]) -> None:
    remember(journal, "deployed")

    assert run(["rollback", "beef", "--env", "prod", "--yes"]) == 2
    assert "There is no run 'beef'." in capsys.readouterr().err


def test_last_is_the_last_of_the_environment_that_is_named(
    journal: LocalJournal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, prod = STACK.partition("  prod:")
    (tmp_path / "lgtm-deploy.yaml").write_text(f"{STACK}  test:{prod}")
    remember(journal, "refused")
    later = [
        RunStarted(at=AT, plan="p", plan_digest="", stack="lgtm", environment="test", by="ci", steps={"a": ()}),
        RunFinished(at=AT, verdict="unchanged", exit_code=0, seconds=1.0, reason=""),
    ]
    journal.append("91c20000", 1, later)

    assert run(["rollback", "last", "--env", "prod"]) == 0
    assert "Run 7f3a9b21 is refused" in capsys.readouterr().err
    assert run(["show", "last", "--env", "prod"]) == 0
    assert "run 7f3a9b21" in capsys.readouterr().out
    assert run(["rollback", "91c2", "--env", "prod"]) == 2
    assert capsys.readouterr().err == "Error: Run 91c20000 was on 'test', not on 'prod'. Pass --env test.\n"
