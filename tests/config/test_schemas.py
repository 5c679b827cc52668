"""The schemas that editors use are those of the program, and fit the files that are here."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from lgtm_deploy.config.documents import StackDocument, json_schema, plan_schema
from lgtm_deploy.recipes.registry import BUNDLED

ROOT = Path(__file__).resolve().parents[2]
PLAN_SCHEMA = ROOT / "plans" / "plan.schema.json"
STACK_SCHEMA = ROOT / "examples" / "lgtm-stack" / "lgtm-deploy.schema.json"


def read(file: Path) -> Any:
    return json.loads(file.read_text())


def test_the_committed_schemas_are_the_programs_own() -> None:
    advice = "write it anew with `lgtm-deploy schema`"
    assert read(PLAN_SCHEMA) == plan_schema(BUNDLED), advice
    assert read(STACK_SCHEMA) == json_schema(StackDocument), advice


@pytest.mark.parametrize("file", [PLAN_SCHEMA, STACK_SCHEMA], ids=lambda file: file.name)
def test_the_schemas_are_schemas(file: Path) -> None:
    Draft202012Validator.check_schema(read(file))


@pytest.mark.parametrize("file", sorted((ROOT / "plans").glob("*.yaml")), ids=lambda file: file.name)
def test_every_bundled_plan_fits_its_schema(file: Path) -> None:
    Draft202012Validator(read(PLAN_SCHEMA)).validate(yaml.safe_load(file.read_text()))


def test_the_example_stack_fits_its_schema() -> None:
    stack = yaml.safe_load((STACK_SCHEMA.parent / "lgtm-deploy.yaml").read_text())

    Draft202012Validator(read(STACK_SCHEMA)).validate(stack)


def test_a_typo_does_not_fit() -> None:
    plan = yaml.safe_load((ROOT / "plans" / "prefix-change.yaml").read_text())
    plan["sevrices"] = plan.pop("services")

    assert not Draft202012Validator(read(PLAN_SCHEMA)).is_valid(plan)


def test_every_key_of_a_plan_file_has_a_description_and_an_example() -> None:
    schema = read(PLAN_SCHEMA)

    assert len(schema["oneOf"]) == len(BUNDLED)
    for name, shape in schema["$defs"].items():
        for key, field in shape.get("properties", {}).items():
            assert field.get("description"), f"{name}.{key}"
            assert field.get("examples"), f"{name}.{key}"
