"""What a run was begun with must be there when somebody goes on with it, or undoes it."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lgtm_deploy.cli import loading
from lgtm_deploy.cli.app import run
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.core.event import RunStarted, StepObserved, StepStarted
from lgtm_deploy.core.stack_inputs import stack_inputs
from lgtm_deploy.storage.local import LocalJournal
from tests.config.files import PLAN, STACK, lay_stack

AT = datetime(2026, 1, 16, tzinfo=UTC)
RUN = "7f3a9b21"
SETTINGS = Settings(stack=None, environment="prod", output="plain", verbose=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay_stack(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "p.yaml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def begun(folder: Path) -> Iterator[LocalJournal]:
    """A run of a plan that was named by its path."""
    plan = loading.load_plan("elsewhere/p.yaml", loading.load_stack(SETTINGS))
    journal = LocalJournal(folder / ".lgtm-deploy" / "state.db")
    started = RunStarted(
        at=AT,
        plan=plan.name,
        plan_digest=plan.digest,
        plan_file=plan.file,
        stack="lgtm",
        environment="prod",
        by="ci",
        steps={"preflight": ()},
        version="0.0.1",
        stack_inputs=stack_inputs(loading.load_stack(SETTINGS), plan.changed, RUN),
    )
    acted = [StepStarted(at=AT, step="preflight"), StepObserved(at=AT, step="preflight", seen={}, change="look")]
    journal.append(RUN, 1, [started, *acted])
    yield journal
    journal.close()


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run([*words, "--env", "prod", "--yes"]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", ["resume", "rollback"])
def test_a_plan_that_was_named_by_its_path_is_found_from_anywhere(
    begun: LocalJournal, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.chdir(folder / "elsewhere")
    (folder / "elsewhere" / "p.yaml").write_text(f"# another one\n{PLAN}")

    # It is this file that has changed: it was found.
    assert "Plan 'small' has changed since run 7f3a9b21 began" in complaint(capsys, verb, RUN)


@pytest.mark.parametrize("verb", ["resume", "rollback"])
def test_a_plan_that_is_gone_is_named(
    begun: LocalJournal, folder: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    (folder / "elsewhere" / "p.yaml").unlink()

    said = complaint(capsys, verb, RUN)
    assert said.startswith("Error: The plan of run 7f3a9b21 is not there: ")
    assert "elsewhere/p.yaml. Bring it back as it was" in said


@pytest.mark.parametrize("verb", ["resume", "rollback"])
def test_a_stack_file_that_has_changed_since_is_told_with_the_difference(
    begun: LocalJournal, folder: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    (folder / "lgtm-deploy.yaml").write_text(STACK.replace("lgtm-${{ env }}-tempo", "another-tempo"))

    assert complaint(capsys, verb, RUN) == (
        "Error: The stack file has changed since run 7f3a9b21 began: services.tempo.ecs_service is another-tempo (was"
        " lgtm-prod-tempo). Bring it back as it was.\n"
    )


def test_a_plan_that_comes_with_the_tool_has_no_file_of_its_own(folder: Path) -> None:
    plan = loading.load_plan("elsewhere/p.yaml", loading.load_stack(SETTINGS))

    assert plan.file == "elsewhere/p.yaml"
    assert plan.digest == hashlib.sha256(PLAN.encode()).hexdigest()
    assert loading.load_plan("prefix-change", None).file == ""


def test_a_run_whose_steps_this_version_builds_otherwise_is_not_resumed(
    begun: LocalJournal, capsys: pytest.CaptureFixture[str]
) -> None:
    said = complaint(capsys, "resume", RUN)

    assert said == (
        "Error: Run 7f3a9b21 was begun by lgtm-deploy 0.0.1, which builds other steps from plan 'small'. Resume it, or"
        " undo it, with that version.\n"
    )


@pytest.mark.parametrize("verb", ["resume", "rollback"])
def test_a_run_of_a_version_without_recipes_is_shown_and_not_resumed(
    folder: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    journal = LocalJournal(folder / ".lgtm-deploy" / "state.db")
    old = RunStarted(
        at=AT, plan="small", plan_digest="d", stack="lgtm", environment="prod", by="ci", steps={"flip": ()}
    )
    journal.append(RUN, 1, [old, StepStarted(at=AT, step="flip")])
    journal.close()

    assert "was begun by an earlier version of lgtm-deploy, whose plans had other steps" in complaint(capsys, verb, RUN)
    assert run(["show", RUN]) == 0
    assert "flip" in capsys.readouterr().out
