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
