"""What an expression stands for."""

from typing import Any

import pytest
from lgtm_deploy.core.reference import Scope, UnknownYetError, parse, references, resolve, sole

from lgtm_deploy.core.errors import UsageError

OUTPUTS = {("push", "digest"): "sha256:1", ("push", "sizes"): (1, 2)}


def output(step: str, name: str) -> Any:
    try:
        return OUTPUTS[step, name]
    except KeyError:
        raise UnknownYetError(step) from None


SCOPE = Scope(env="prod", each="tempo", services=("tempo", "loki"), variables={"ticket": "OPS-1"}, output=output)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("${{ env }}", "prod"),
        ("${{each}}", "tempo"),
        ("${{ services }}", ("tempo", "loki")),
        ("${{ vars.ticket }}", "OPS-1"),
        ("${{ steps.push.outputs.sizes }}", (1, 2)),
        ("${{ each }}-${{ env }}", "tempo-prod"),
        ("of ${{ env }}", "of prod"),
        ("no expression, $ {{ env }}", "no expression, $ {{ env }}"),
        ({"a": ["${{ env }}", {"b": "${{ each }}"}]}, {"a": ("prod", {"b": "tempo"})}),
        (5, 5),
        (None, None),
    ],
)
def test_expressions_are_replaced_wherever_they_stand(written: Any, meant: Any) -> None:
    assert resolve(written, SCOPE) == meant


def test_an_expression_alone_keeps_its_type_and_one_in_a_text_becomes_text() -> None:
    assert resolve("${{ steps.push.outputs.sizes }}", SCOPE) == (1, 2)
    assert resolve("sizes ${{ steps.push.outputs.sizes }}", SCOPE) == "sizes (1, 2)"
    assert sole("${{ each }}-${{ env }}") is None


def test_the_output_of_a_step_that_has_not_run_is_unknown_yet() -> None:
    with pytest.raises(UnknownYetError):
        resolve("${{ steps.deploy.outputs.arn }}", SCOPE)


def test_a_variable_without_a_value_is_named_with_how_to_pass_it() -> None:
    with pytest.raises(UsageError, match="'reason' has no value"):
        resolve("${{ vars.reason }}", SCOPE)


@pytest.mark.parametrize(
    "text", ["", "secrets.x", "steps.push.digest", "steps.push.outputs.a.b", "env | upper", "steps.1.outputs.x"]
)
def test_anything_else_is_not_an_expression(text: str) -> None:
    with pytest.raises(UsageError, match="is not an expression"):
        parse(text)


def test_all_references_of_a_value_are_found() -> None:
    value = {"a": "${{ steps.push.outputs.digest }} ${{ env }}", "b": [1, "${{ vars.ticket }}"]}

    assert [each.text for each in references(value)] == ["steps.push.outputs.digest", "env", "vars.ticket"]
