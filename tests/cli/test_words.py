"""What may be typed, in which order, and what is said to what may not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lgtm_deploy import __version__
from lgtm_deploy.cli.app import app, run
from tests.cli.command import lgtm_deploy
from tests.config.files import PLAN, STACK, lay_stack

VERBS = [
    "plans",
    "validate",
    "doctor",
    "graph",
    "plan",
    "apply",
    "resume",
    "rollback",
    "cancel",
    "runs",
    "show",
    "status",
    "wait",
    "verify",
    "lock",
    "unlock",
    "sandbox",
    "schema",
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_every_verb_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0

    told = capsys.readouterr().out
    assert [verb for verb in VERBS if f" {verb} " not in told] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    assert f"lgtm-deploy {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--version"], ["--verbose", "--version"], ["--env", "x", "--version"]])
def test_the_version_is_told_wherever_it_is_asked(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    assert capsys.readouterr().out == f"lgtm-deploy {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [["nope"], ["--nope"], ["apply"], ["apply", "p", "--nope"], ["apply", "p", "--parallelism", "0"], ["schema", "x"]],
)
def test_what_does_not_exist_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert "Usage: lgtm-deploy" in said.err


def test_a_general_option_without_its_value_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "--env"]) == 2
    assert "Option '--env' requires an argument" in capsys.readouterr().err


def two_environments(folder: Path) -> Path:
    return lay_stack(folder, STACK + STACK.partition("environments:\n")[2].replace("prod:", "test:"))


@pytest.mark.parametrize(
    "words",
    [
        ["--stack", "FILE", "--env", "test", "validate", "./plan.yaml"],
        ["validate", "./plan.yaml", "--stack", "FILE", "--env", "test"],
        ["validate", "--env=test", "./plan.yaml", "--stack=FILE"],
        ["--env", "test", "validate", "--stack", "FILE", "--verbose", "./plan.yaml"],
    ],
)
def test_general_options_stand_before_the_verb_or_after_it(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = two_environments(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN)

    assert run([word.replace("FILE", str(file)) for word in words]) == 0
    told = capsys.readouterr().out
    assert "environment test is valid" in told
    assert "prod" not in told


def test_options_can_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("LGTM_DEPLOY_STACK", str(two_environments(tmp_path / "elsewhere")))
    monkeypatch.setenv("LGTM_DEPLOY_ENV", "test")

    assert run(["validate"]) == 0
    assert "environment test is valid" in capsys.readouterr().out


def options() -> Iterator[tuple[str, Any]]:
    """Every option of every verb: the verb, and the option."""
    todo: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while todo:
        verb, command = todo.pop()
        for option in command.params:
            if option.param_type_name == "option" and option.name not in ("help", "version"):
                yield verb, option
        todo.extend(getattr(command, "commands", {}).items())


def meaning(option: Any) -> tuple[str, ...]:
    """The type of an option, its choices or limits, its default, and how often it may be given."""
    names = ("min", "max", "default", "is_flag", "multiple", "nargs")
    return (str(option.type_descriptor.annotation), *(f"{name}={getattr(option, name, None)!r}" for name in names))


def test_every_option_has_its_mirror_in_the_environment() -> None:
    found = list(options())

    assert len(found) > 15
    for verb, option in found:
        name = option.opts[0]
        # A sandbox's name is one for all verbs that meet it.
        expected = "SANDBOX" if name == "--name" else name.removeprefix("--").upper().replace("-", "_")
        # An option that means something else than another verb's of that name has a mirror of its own.
        own = f"{verb.upper()}_{expected}"
        # Tests start sandboxes by no command line: their mirrors have the sandbox in their names.
        mirrors = (f"LGTM_DEPLOY_{expected}", f"LGTM_DEPLOY_{own}", f"LGTM_DEPLOY_SANDBOX_{expected}")
        assert option.envvar in mirrors, f"{verb} {name}"


def test_a_mirror_means_the_same_to_all_verbs() -> None:
    meanings: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for verb, option in options():
        meanings.setdefault(option.envvar, {}).setdefault(meaning(option), []).append(verb)

    assert {mirror: found for mirror, found in meanings.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("words", "old", "new"),
    [
        (["graph", "prefix-change"], "FORMAT", "GRAPH_FORMAT"),
        (["verify"], "FORMAT", "VERIFY_FORMAT"),
        (["apply", "prefix-change"], "TIMEOUT", "APPLY_TIMEOUT"),
        (["cancel", "last"], "TIMEOUT", "CANCEL_TIMEOUT"),
        (["wait", "tempo"], "TIMEOUT", "WAIT_TIMEOUT"),
    ],
)
def test_an_old_name_of_a_variable_is_an_error_that_names_the_new_one(
    words: list[str], old: str, new: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"LGTM_DEPLOY_{old}", "junit")

    assert run(words) == 2
    assert capsys.readouterr().err == (
        f"Error: LGTM_DEPLOY_{old} is not read any more. Set LGTM_DEPLOY_{new} instead, and unset LGTM_DEPLOY_{old}.\n"
    )


def test_an_old_name_is_no_matter_to_a_verb_that_never_read_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LGTM_DEPLOY_TIMEOUT", "60")

    assert run(["graph", "prefix-change"]) == 0
    assert run(["apply", "--help"]) == 0
    assert "LGTM_DEPLOY_APPLY_TIMEOUT" in capsys.readouterr().out


def test_plans_are_listed_with_what_they_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "own.yaml").write_text(PLAN.replace("name: small", "name: small\ndescription: my own"))
    (tmp_path / "plans" / "bad.yaml").write_text("steps: [")

    assert run(["plans"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["own"] == "my own"
    assert lines["bad"].startswith("cannot be used: ")
    assert "prefix-change" in lines


@pytest.mark.parametrize("drawing", ["ascii", "mermaid", "dot", "json"])
def test_a_graph_is_drawn_without_a_stack(drawing: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "prefix-change", "--format", drawing, "--expand"]) == 0

    told = capsys.readouterr().out
    assert "push[tempo]" in told
    if drawing == "json":
        json.loads(told)


def test_a_graph_shows_its_phases_unless_every_step_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["graph", "prefix-change"]) == 0

    lines = capsys.readouterr().out.splitlines()
    phases = [line[:22].strip() for line in lines if line[:22].strip()]
    assert phases == ["prepare", "build", "push", "deploy", "wait for healthy tasks", "health check", "verify"]
    assert "push                    push[tempo, pyroscope, grafana]" in lines


def test_no_runs_are_said_to_be_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay_stack(tmp_path)

    assert run(["runs"]) == 0
    assert capsys.readouterr().out == "There are no runs yet.\n"


def test_colour_is_left_out_where_it_is_not_wanted(tmp_path: Path) -> None:
    plain = lgtm_deploy("--help", folder=tmp_path, environment={"NO_COLOR": "1", "FORCE_COLOR": "1"})

    assert "\x1b[3" not in plain.out
    assert plain.code == 0
