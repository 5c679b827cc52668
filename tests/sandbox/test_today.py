"""What the golden state is named after."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.stack import Environment, Stack
from lgtm_deploy.sandbox import today
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Source

REFERENCE = "docker.io/grafana/tempo:2.9.0"
CHOICE = Choice(
    images={"tempo": BaseImage(source=Source.STANDIN, reference=REFERENCE)}, reason="stand-ins, as asked", factor=10.0
)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    monkeypatch.setattr(today, "BASELINES", tmp_path / "baselines")
    directory = tmp_path / "stack"
    (directory / "dockerfiles").mkdir(parents=True)
    (directory / "dockerfiles" / "tempo.yaml").write_text("new")
    (directory / "lgtm-deploy.yaml").write_text("name: s")
    (tmp_path / "baselines" / "s" / "dockerfiles").mkdir(parents=True)
    (tmp_path / "baselines" / "s" / "dockerfiles" / "tempo.yaml").write_text("old")
    environment = Environment(name="sandbox", region="eu-west-1", account="1", cluster="c")
    return Stack(name="s", directory=directory, services={}, environment=environment)


def test_today_is_the_stack_overlaid_with_its_baseline(stack: Stack, tmp_path: Path) -> None:
    today.lay_out(stack, tmp_path / "out")
    assert (tmp_path / "out" / "dockerfiles" / "tempo.yaml").read_text() == "old"
    assert (tmp_path / "out" / "lgtm-deploy.yaml").read_text() == "name: s"


def test_a_change_that_the_baseline_hides_keeps_the_key(stack: Stack) -> None:
    before = today.key_of(stack, CHOICE)
    (stack.directory / "dockerfiles" / "tempo.yaml").write_text("newer")
    assert today.key_of(stack, CHOICE) == before


def test_any_other_change_makes_another_key(stack: Stack) -> None:
    before = today.key_of(stack, CHOICE)
    (stack.directory / "dockerfiles" / "mimir.yaml").write_text("more")
    assert today.key_of(stack, CHOICE) != before


def test_what_terraform_and_this_tool_leave_in_the_tree_is_no_part_of_it(stack: Stack) -> None:
    before = today.key_of(stack, CHOICE)
    for name in (".terraform", ".lgtm-deploy"):
        (stack.directory / name).mkdir()
        (stack.directory / name / "file").write_text("x")
    (stack.directory / ".terraform.lock.hcl").write_text("x")
    assert today.key_of(stack, CHOICE) == before


def test_the_key_does_not_depend_on_where_the_stack_lies(stack: Stack, tmp_path: Path) -> None:
    before = today.key_of(stack, CHOICE)
    moved = stack.directory.rename(tmp_path / "elsewhere")
    assert today.key_of(Stack(name="s", directory=moved, services={}, environment=stack.environment), CHOICE) == before


def test_another_base_image_or_factor_makes_another_key(stack: Stack) -> None:
    loaded = {"tempo": BaseImage(source=Source.LOADED, reference=REFERENCE, image="sha256:1")}
    rebuilt = {"tempo": BaseImage(source=Source.LOADED, reference=REFERENCE, image="sha256:2")}
    choices = [CHOICE, replace(CHOICE, factor=1.0), replace(CHOICE, images=loaded), replace(CHOICE, images=rebuilt)]
    assert len({today.key_of(stack, each) for each in choices}) == len(choices)


def test_the_reason_and_the_factor_of_no_stand_in_are_no_part_of_the_key(stack: Stack) -> None:
    loaded = replace(CHOICE, images={"tempo": BaseImage(source=Source.LOADED, reference=REFERENCE, image="sha256:1")})
    assert today.key_of(stack, loaded) == today.key_of(stack, replace(loaded, reason="other", factor=1.0))


@pytest.mark.parametrize("name", ["standins/rules.py", "standins/recordings/tempo.json", "standins/shapes/tempo.yaml"])
def test_a_change_in_the_stand_ins_makes_another_key(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(today, "PACKAGE", tmp_path)
    monkeypatch.setattr(today, "_MAKERS", ("standins",))
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("old")
    before = today.key_of(stack, CHOICE)
    file.write_text("new")
    assert today.key_of(stack, CHOICE) != before
