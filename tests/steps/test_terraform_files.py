"""Files of a Terraform root are read as Terraform reads them."""

from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.stack import TerraformRoot
from lgtm_deploy.core.terraform_files import UNKNOWN, RootFiles
from lgtm_deploy.steps.terraform_files import root_files

VARIABLE = 'variable "name" {\n  default = "default"\n}\n'


def read(folder: Path, files: dict[str, str], *var_files: str, environment: dict[str, str] | None = None) -> RootFiles:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return root_files(folder, TerraformRoot(name="ecs", root="ecs", var_files=var_files), environment or {})


def test_a_later_file_with_values_wins(tmp_path: Path) -> None:
    files = {
        "ecs/main.tf": VARIABLE,
        "ecs/terraform.tfvars": 'name = "1"',
        "ecs/terraform.tfvars.json": '{"name": "2"}',
        "ecs/a.auto.tfvars.json": '{"name": "3"}',
        "ecs/b.auto.tfvars": 'name = "4"',
        "ecs/c.auto.tfvars.json": '{"name": "5"}',
        "given.tfvars": 'name = "6"',
    }
    order = list(files)

    for position in range(len(order)):
        names = order[: position + 1]
        given = ("given.tfvars",) if "given.tfvars" in names else ()
        found = read(tmp_path / str(position), {name: files[name] for name in names}, *given)
        assert found.variable("name") == (str(position) if position else "default")


@pytest.mark.parametrize(("files", "value"), [({}, UNKNOWN), ({"ecs/terraform.tfvars": 'name = "file"'}, "file")])
def test_a_variable_of_the_environment_wins_over_its_default_only(
    tmp_path: Path, files: dict[str, str], value: Any
) -> None:
    found = read(tmp_path, {"ecs/main.tf": VARIABLE, **files}, environment={"TF_VAR_name": "x", "TF_VAR_other": "x"})

    assert found.variable("name") == value
    assert found.variable("other") is UNKNOWN


@pytest.mark.parametrize(
    "call", ['module "x" { source = "../m" }', 'module "x" {\n  source = "../m"\n}', 'module "x" {\n source = "../m"\n']
)
def test_a_local_module_is_found_however_its_call_is_written(tmp_path: Path, call: str) -> None:
    found = read(tmp_path, {"ecs/main.tf": call, "m/main.tf": 'module "y" { source = "./n" }', "m/n/main.tf": VARIABLE})

    assert list(found.modules) == ["ecs", "m", "m/n"]


def test_a_module_in_a_comment_or_from_elsewhere_is_no_folder(tmp_path: Path) -> None:
    files = {"ecs/main.tf": '# source = "../m"\nmodule "x" { source = "acme/ecs" }', "m/main.tf": VARIABLE}

    assert list(read(tmp_path, files).modules) == ["ecs"]


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    files = {"ecs/main.tf": f"\ufeff{VARIABLE}", "ecs/terraform.tfvars.json": '\ufeff{"name": "json"}'}

    assert read(tmp_path, files).variable("name") == "json"
    assert not list(read(tmp_path, files).unreadable())


def test_a_file_that_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "ecs").mkdir()
    (tmp_path / "ecs" / "odd.tf").write_bytes(b"\xff")

    found = read(tmp_path, {"ecs/main.tf": VARIABLE, "ecs/more.tf.json": "{}"})

    assert found.unread == ("ecs/more.tf.json", "ecs/odd.tf")
