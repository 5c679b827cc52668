"""Every verb and every error is JSON with `--output json`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lgtm_deploy.cli.app import app, run
from lgtm_deploy.cli.status import _Row
from tests.cli.command import lgtm_deploy
from tests.cli.outside import ACCOUNT, outside
from tests.config.files import PLAN, STACK, lay_stack

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
# What each verb must be given.
ARGUMENTS = {
    "apply": ("./plan.yaml", "--yes"),
    "plan": ("./plan.yaml",),
    "graph": ("./plan.yaml",),
    "resume": ("last", "--yes"),
    "rollback": ("last", "--yes"),
    "cancel": ("last",),
    "wait": ("tempo",),
    "unlock": ("prod", "--run", "7f3a"),
    "schema": ("plan",),
}
# They need no stack file.
ALONE = {"plans", "graph", "schema"}


def verbs() -> Iterator[tuple[str, ...]]:
    """The words of every verb of the application, those of groups too."""
    todo: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while todo:
        words, command = todo.pop()
        inner = getattr(command, "commands", {})
        if not inner:
            yield words
        todo.extend(((*words, name), each) for name, each in inner.items())


VERBS = sorted(verbs())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN)


def spoken(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was written on standard output, one object a line."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def words_of(verb: tuple[str, ...]) -> list[str]:
    return [*verb, *ARGUMENTS.get(verb[0], ())]


def test_all_verbs_are_walked() -> None:
    assert ("sandbox", "up") in VERBS
    assert ("apply",) in VERBS
    assert len(VERBS) > 18


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_wrong_option_is_an_error_in_json(verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words_of(verb), "--nope", "--output", "json"]) == 2

    [error] = spoken(capsys)
    assert (error["event"], error["resolution"], error["exit_code"]) == ("Error", "", 2)
    assert error["message"].startswith("No such option: --nope")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb[0] not in ALONE], ids=" ".join)
def test_a_missing_stack_file_is_told_in_json(
    verb: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["validate"] if verb == ("validate",) else words_of(verb)
    code = run(["--output=json", *words])

    last = spoken(capsys)[-1]
    if verb == ("doctor",):
        assert (code, last["check"], last["ok"]) == (1, "stack file", False)
        assert "There is no lgtm-deploy.yaml" in last["said"]
    else:
        assert (code, last["event"], last["exit_code"]) == (2, "Error", 2)
        assert last["message"].startswith(f"There is no lgtm-deploy.yaml in {tmp_path}")


@pytest.mark.parametrize("verb", ["plan", "apply", "graph", "validate"])
def test_a_bad_plan_is_an_error_in_json_with_its_place(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_stack(tmp_path)
    (tmp_path / "plan.yaml").write_text("steps: [")
    monkeypatch.setenv("LGTM_DEPLOY_OUTPUT", "json")

    assert run([verb, *ARGUMENTS.get(verb, ("./plan.yaml",))]) == 2

    last = spoken(capsys)[-1]
    assert last["event"] == "Error"
    assert last["message"].startswith("plan.yaml:1:9: ")


def test_an_error_has_the_exit_code_of_its_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_stack(tmp_path)

    assert run(["plan", "nosuch", "--detailed-exitcode", "--output", "json"]) == 1

    [error] = spoken(capsys)
    assert (error["event"], error["exit_code"]) == ("Error", 1)
    assert error["message"] == "There is no plan 'nosuch'."
    assert error["resolution"].startswith("There are: ")


@pytest.mark.parametrize("words", [[], ["lock"], ["sandbox"], ["nope"], ["schema", "x"]])
def test_a_verb_that_is_missing_or_unknown_is_an_error_in_json(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--output", "json", *words]) == 2

    [error] = spoken(capsys)
    assert (error["event"], error["exit_code"]) == ("Error", 2)
    assert error["message"]


def test_people_get_the_error_on_standard_error_alone(tmp_path: Path) -> None:
    said = lgtm_deploy("runs", folder=tmp_path)

    assert (said.code, said.out) == (2, "")
    assert said.complaint.startswith("Error: There is no lgtm-deploy.yaml")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["validate", "./plan.yaml"], {"file": "plan.yaml", "valid": True, "steps": 21}),
        (["lock", "show"], {"environment": "prod", "held": False}),
        (["sandbox", "down"], {"name": "default", "up": False}),
        (["sandbox", "status"], {"name": "default", "up": False}),
    ],
)
def test_verbs_that_work_on_files_answer_in_json(
    words: list[str], expected: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_stack(tmp_path)

    assert run([*words, "--output", "json"]) == 0

    found = spoken(capsys)[-1]
    assert {name: found.get(name) for name in expected} == expected


def test_a_graph_is_json_unless_another_form_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "./plan.yaml", "--output", "json"]) == 0
    json.loads(capsys.readouterr().out)

    assert run(["graph", "./plan.yaml", "--output", "json", "--format", "dot"]) == 0
    assert capsys.readouterr().out.startswith("digraph")


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "plan", "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "lgtm-deploy plan file"


def test_doctor_gives_facts_beside_its_words(tmp_path: Path) -> None:
    with outside() as url:
        lay_stack(tmp_path, STACK.replace("    cluster: lgtm\n", f"    cluster: lgtm\n    endpoint: {url}\n"))
        said = lgtm_deploy("doctor", "--output", "json", folder=tmp_path, environment=KEYS)

    lines = {line["check"]: line for line in map(json.loads, said.out.splitlines())}
    assert lines["account"]["facts"]["account"] == ACCOUNT
    assert lines["lock"]["facts"] == {"held": False}


def test_the_status_has_numbers_and_full_digests_and_a_table_that_is_short() -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    row = _Row(
        service="tempo",
        revision="lgtm-tempo:12",
        digest=digest,
        tasks={"running": 1, "desired": 2},
        targets={"healthy": 1, "initial": 1},
        path="/ready",
        deployment="in_progress",
    )

    assert row.cells == (
        "tempo", "lgtm-tempo:12", "sha256:0123456789ab", "1/2", "1 healthy, 1 initial", "/ready", "in_progress",
    )  # fmt: skip
    assert _Row(service="tempo", error="It is gone.").cells == ("tempo", "-", "-", "-", "-", "-", "It is gone.")
