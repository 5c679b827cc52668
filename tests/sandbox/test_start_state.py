"""The files that a sandbox starts with, and the name of the golden state."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.config.stack_file import environments, load
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.stack import Environment, Secret, Stack
from lgtm_deploy.sandbox import start_state
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Source
from lgtm_deploy.sandbox.vendor_images import standins_of

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lgtm-stack"
REFERENCE = "docker.io/grafana/tempo:2.9.0"
CHOICE = Choice(
    images={"tempo": BaseImage(source=Source.STANDIN, reference=REFERENCE)}, reason="stand-ins, as asked", factor=10.0
)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    directory = tmp_path / "stack"
    write(directory / "dockerfiles/tempo.yaml", "new")
    write(directory / "lgtm-deploy.yaml", "name: lgtm")
    write(directory / "before/dockerfiles/tempo.yaml", "old")
    environment = Environment(name="sandbox", region="eu-west-1", account="1", cluster="c")
    return Stack(name="lgtm", directory=directory, services={}, environment=environment, start_state="before")


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_the_files_of_the_start_state_replace_the_stacks_own(stack: Stack, tmp_path: Path) -> None:
    start_state.lay_out(stack, tmp_path / "out")
    assert contents(tmp_path / "out") == {"dockerfiles/tempo.yaml": b"old", "lgtm-deploy.yaml": b"name: lgtm"}


def test_without_a_start_state_the_files_are_the_users_own_whatever_the_stacks_name(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform*"))
    file = copy / "lgtm-deploy.yaml"
    file.write_text(file.read_text().replace("start_state: start-state\n", ""))
    stack = load(file, "sandbox")

    start_state.lay_out(stack, tmp_path / "out")

    assert stack.name == "lgtm"
    assert contents(tmp_path / "out") == contents(copy)


def test_a_start_state_holds_for_every_environment_that_has_files_in_it(stack: Stack, tmp_path: Path) -> None:
    variables = "terraform/environments/{}/common.tfvars"
    for name in ("sandbox", "staging"):
        write(stack.directory / variables.format(name), f"{name} new")
        write(stack.directory / "before" / variables.format(name), f"{name} old")
    staging = replace(stack, environment=replace(stack.environment, name="staging"))

    files = start_state.start_files(staging)

    assert files[variables.format("staging")].read_text() == "staging old"
    assert files[variables.format("sandbox")].read_text() == "sandbox old"
    assert files["dockerfiles/tempo.yaml"].read_text() == "old"


def test_an_environment_that_the_start_state_leaves_out_is_told(stack: Stack) -> None:
    variables = "terraform/environments/{}/common.tfvars"
    for folder, names in (("", ("sandbox", "staging")), ("before", ("sandbox",))):
        for name in names:
            write(stack.directory / folder / variables.format(name), name)
    sandbox = replace(stack, other_environments=("staging",))
    staging = replace(
        stack, environment=replace(stack.environment, name="staging"), other_environments=("sandbox", "prod")
    )

    assert start_state.left_out(sandbox) == ""
    assert start_state.left_out(replace(staging, start_state="")) == ""
    assert start_state.left_out(staging) == (
        f"the start state has {variables.format('sandbox')} and no {variables.format('staging')}:"
        " this file is taken as it will be, not as it runs today"
    )


def test_links_between_files_of_the_stack_lead_to_the_start_state(stack: Stack, tmp_path: Path) -> None:
    write(tmp_path / "outside.yaml", "outside")
    (stack.directory / "link.yaml").symlink_to("dockerfiles/tempo.yaml")
    (stack.directory / "outside.yaml").symlink_to("../outside.yaml")

    start_state.lay_out(stack, tmp_path / "out")

    assert (tmp_path / "out/link.yaml").readlink() == Path("dockerfiles/tempo.yaml")
    assert (tmp_path / "out/link.yaml").read_text() == "old"
    assert not (tmp_path / "out/outside.yaml").is_symlink()
    assert (tmp_path / "out/outside.yaml").read_text() == "outside"


def test_every_environment_of_the_example_has_a_start_state() -> None:
    for name in environments(EXAMPLE / "lgtm-deploy.yaml"):
        stack = load(EXAMPLE / "lgtm-deploy.yaml", name)
        files = start_state.start_files(stack)
        variables = {each for root in stack.environment.terraform.values() for each in root.var_files}

        [text] = [files[each].read_text() for each in variables]
        assert 'pyroscope_health_check_path = "/ready"' in text
        assert not [each for each in files if each.startswith("start-state")]


def test_a_change_that_the_start_state_hides_keeps_the_key(stack: Stack) -> None:
    before = start_state.key_of(stack, CHOICE)
    (stack.directory / "dockerfiles" / "tempo.yaml").write_text("newer")
    assert start_state.key_of(stack, CHOICE) == before


def test_a_change_of_the_start_state_makes_another_key(stack: Stack) -> None:
    before = start_state.key_of(stack, CHOICE)
    (stack.directory / "before" / "dockerfiles" / "tempo.yaml").write_text("older")
    assert start_state.key_of(stack, CHOICE) != before


def test_any_other_change_makes_another_key(stack: Stack) -> None:
    before = start_state.key_of(stack, CHOICE)
    (stack.directory / "dockerfiles" / "mimir.yaml").write_text("more")
    assert start_state.key_of(stack, CHOICE) != before


def test_what_terraform_and_this_tool_leave_in_the_tree_is_no_part_of_it(stack: Stack) -> None:
    before = start_state.key_of(stack, CHOICE)
    for name in (".terraform", ".lgtm-deploy"):
        (stack.directory / name).mkdir()
        (stack.directory / name / "file").write_text("x")
    (stack.directory / ".terraform.lock.hcl").write_text("x")
    assert start_state.key_of(stack, CHOICE) == before


def test_the_key_does_not_depend_on_where_the_stack_lies(stack: Stack, tmp_path: Path) -> None:
    before = start_state.key_of(stack, CHOICE)
    moved = stack.directory.rename(tmp_path / "elsewhere")
    assert start_state.key_of(replace(stack, directory=moved), CHOICE) == before


def test_another_base_image_or_factor_makes_another_key(stack: Stack) -> None:
    loaded = {"tempo": BaseImage(source=Source.LOADED, reference=REFERENCE, image="sha256:1")}
    rebuilt = {"tempo": BaseImage(source=Source.LOADED, reference=REFERENCE, image="sha256:2")}
    choices = [CHOICE, replace(CHOICE, factor=1.0), replace(CHOICE, images=loaded), replace(CHOICE, images=rebuilt)]
    assert len({start_state.key_of(stack, each) for each in choices}) == len(choices)


def test_the_reason_and_the_factor_of_no_stand_in_are_no_part_of_the_key(stack: Stack) -> None:
    loaded = replace(CHOICE, images={"tempo": BaseImage(source=Source.LOADED, reference=REFERENCE, image="sha256:1")})
    assert start_state.key_of(stack, loaded) == start_state.key_of(stack, replace(loaded, reason="other", factor=1.0))


@pytest.mark.parametrize("name", ["standins/rules.py", "standins/recordings/tempo.json", "standins/shapes/tempo.yaml"])
def test_a_change_in_the_stand_ins_makes_another_key(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(start_state, "PACKAGE", tmp_path)
    monkeypatch.setattr(start_state, "_MAKERS", ("standins",))
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("old")
    before = start_state.key_of(stack, CHOICE)
    file.write_text("new")
    assert start_state.key_of(stack, CHOICE) != before


def test_the_value_of_a_secret_is_part_of_the_key(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret(name="lgtm/grafana", variable="GRAFANA_PASSWORD")
    stack = replace(stack, environment=replace(stack.environment, secrets=(secret,)))
    monkeypatch.setenv("GRAFANA_PASSWORD", "one")
    before = start_state.key_of(stack, CHOICE)
    monkeypatch.setenv("GRAFANA_PASSWORD", "two")
    assert start_state.key_of(stack, CHOICE) != before

    monkeypatch.delenv("GRAFANA_PASSWORD")
    with pytest.raises(UsageError, match="GRAFANA_PASSWORD is not set, and secret 'lgtm/grafana' has its value there"):
        start_state.key_of(stack, CHOICE)


def test_versions_of_the_start_state_are_those_of_its_own_dockerfiles(tmp_path: Path) -> None:
    change = load(EXAMPLE.parent / "hardcoded-stack" / "lgtm-deploy.yaml", "sandbox")

    before = start_state.started(change, tmp_path / "laid-out")

    assert change.services["pyroscope"].version == "2.0.4"
    assert before.services["pyroscope"].version == "1.13.5"
    assert before.directory == change.directory


def test_stand_ins_of_the_change_are_those_that_differ_from_the_start_state() -> None:
    change = load(EXAMPLE.parent / "hardcoded-stack" / "lgtm-deploy.yaml", "sandbox")
    names = {"tempo": "2.9.0", "pyroscope": "1.13.5", "loki": "3.5.1"}
    images = {
        name: BaseImage(source=Source.STANDIN, reference=f"grafana/{name}:{version}") for name, version in names.items()
    }

    found = standins_of(change, replace(CHOICE, images=images)).images

    assert {name: image.reference for name, image in found.items()} == {"pyroscope": "grafana/pyroscope:2.0.4"}
