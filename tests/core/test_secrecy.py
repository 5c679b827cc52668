"""Copies of sensitive values are found however they are written, and wherever in a plan they are."""

import json
from typing import Any

import pytest

from lgtm_deploy.adapters.terraform_output import changes_of
from lgtm_deploy.core.changes import describe
from lgtm_deploy.core.guard import breaches
from lgtm_deploy.core.secrecy import SENSITIVE, scrubbed, secrets_of
from lgtm_deploy.core.touched import missing, touched


def document(before: Any, after: Any, **variables: Any) -> dict[str, Any]:
    """A plan that updates one resource, with these sensitive variables."""
    change = {"actions": ["update"], "before": before, "after": after, "after_unknown": {}}
    return {
        "format_version": "1.2",
        "configuration": {"root_module": {"variables": {name: {"sensitive": True} for name in variables}}},
        "variables": {name: {"value": value} for name, value in variables.items()},
        "resource_changes": [
            {"address": "x.y", "mode": "managed", "type": "aws_ssm_parameter", "name": "y", "change": change}
        ],
    }


def told(plan: dict[str, Any]) -> str:
    """All that is told of a plan, or written down."""
    lines = [line for change in changes_of(plan) for line in describe(change)]
    return "\n".join([*lines, *breaches(plan, ()), *map(repr, touched(plan))])


def test_a_secret_that_begins_another_leaves_nothing_of_it() -> None:
    plan = document({"url": "u:hunter22@h"}, {"url": "u:hunter22-prod@h"}, p="hunter22", q="hunter22-prod")

    assert "hunter22" not in told(plan)
    assert "-prod" not in told(plan)


@pytest.mark.parametrize(
    "written",
    [
        json.dumps({"p": 'z"b&c\ndef'}),
        json.dumps({"p": 'z"b&c\ndef'}).replace("&", "\\u0026"),
        json.dumps([json.dumps({"p": 'z"b&c\ndef'}).replace("&", "\\u0026")]),
    ],
)
def test_a_copy_that_is_written_as_json_is_hidden(written: str) -> None:
    plan = document({"definition": written}, {"definition": written + " "}, p='z"b&c\ndef')

    assert "def" not in told(plan).replace("definition", "")


def test_umlauts_may_be_escaped() -> None:
    assert scrubbed('{"p": "gr\\u00fc\\u00dfe"}', {"grüße"}) == f'{{"p": "{SENSITIVE}"}}'


def test_a_number_is_hidden_as_such_and_in_texts() -> None:
    plan = document({"a": "x", "b": 1}, {"a": "pin=987654", "b": 987654}, p=987654)

    assert "987654" not in told(plan)
    assert secrets_of(document({}, {}, p=True, q=8080)) == set()


def test_a_key_that_is_a_secret_is_told_nowhere_and_what_holds_it_may_come_back() -> None:
    plan = document({"m": {"hunter22": "a"}}, {"m": {"hunter22": "b"}}, p="hunter22")
    back = document({"m": {"hunter22": "b"}}, {"m": {"hunter22": "a"}}, p="hunter22")

    assert "hunter22" not in told(plan)
    assert breaches(back, touched(plan)) == ()
    assert missing(back, touched(plan)) == ()


def test_the_name_of_an_attribute_is_no_secret_though_it_looks_like_one() -> None:
    plan = document({"value": "a"}, {"value": "b"}, p="value")

    assert touched(plan)[0].attributes == ("value",)
