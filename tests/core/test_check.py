"""What is wrong with a plan, and where in its file."""

from collections.abc import Mapping
from typing import Any

import pytest
from lgtm_deploy.core.check import faults

from lgtm_deploy.core.graph import Fault
from tests.core.plans import KINDS, plan

MAKE: Mapping[str, Any] = {"uses": "make"}
MAKE_EACH: Mapping[str, Any] = {"uses": "make", "for_each": "services"}


def take(needs: tuple[str, ...] = ("make",), **inputs: Any) -> Mapping[str, Any]:
    for_each = inputs.pop("for_each", None)
    title = inputs.pop("title", "")
    return {"uses": "take", "needs": needs, "for_each": for_each, "title": title, "with_": {"text": "x"} | inputs}


def sole_fault(take_step: Mapping[str, Any], make: Mapping[str, Any] = MAKE) -> Fault:
    (found,) = faults(plan(("a", "b"), make=make, take=take_step), KINDS)
    return found


def test_a_sound_plan_has_no_faults() -> None:
    sound = plan(
        ("a", "b"),
        make=MAKE,
        each=MAKE_EACH,
        take=take(
            ("make", "each"),
            text="${{ steps.make.outputs.text }} of ${{ env }} for ${{ vars.ticket }}",
            number="${{ steps.make.outputs.number }}",
            ratio="${{ steps.make.outputs.number }}",
            really=True,
            texts="${{ services }}",
            by_key="${{ steps.each.outputs.text }}",
            title="take in ${{ env }}",
            sole_rule={"name": "${{ steps.make.outputs.text }}", "weight": "${{ steps.make.outputs.number }}"},
            rules=[{"name": "a", "words": ["b", "${{ env }}"]}],
            size="large",
            anything={"a": [1, {"b": None}]},
        ),
        same=take(("each",), for_each="services", text="${{ each }}: ${{ steps.each.outputs.text }}"),
        lists=take(texts=["a", "${{ steps.make.outputs.text }}"], ratio=1, by_key={"k": "${{ env }}"}),
    )

    assert faults(sound, KINDS) == []


@pytest.mark.parametrize(
    ("inputs", "path", "message"),
    [
        ({"number": "7"}, ("number",), "Input 'number' of step 'take' takes a whole number; got '7'."),
        ({"number": True}, ("number",), "takes a whole number; got True"),
        ({"number": 1.5}, ("number",), "takes a whole number; got 1.5"),
        ({"ratio": True}, ("ratio",), "takes a number; got True"),
        ({"really": 1}, ("really",), "takes true or false; got 1"),
        ({"really": "yes"}, ("really",), "takes true or false; got 'yes'"),
        ({"text": 5}, ("text",), "takes a text; got 5"),
        ({"text": None}, ("text",), "takes a text; got None"),
        ({"texts": "one"}, ("texts",), "takes a list of texts; got 'one'"),
        ({"texts": ["one", 2]}, ("texts", 1), "Input 'texts' of step 'take' takes a text; got 2"),
        ({"by_key": ["one"]}, ("by_key",), "takes a map by key (a text each); got ['one']"),
        ({"by_key": {"a": 1}}, ("by_key", "a"), "Input 'by_key' of step 'take' takes a text; got 1"),
        ({"size": "huge"}, ("size",), "takes one of small, large; got 'huge'"),
        ({"rules": "one"}, ("rules",), "Input 'rules' of step 'take' takes a list of maps of name, words, weight"),
        ({"rules": ["one"]}, ("rules", 0), "takes a map of name, words, weight; got 'one'"),
        ({"rules": [{}]}, ("rules", 0), "Input 'rules' of step 'take' lacks its 'name'."),
        ({"rules": [{"name": "a"}, {"name": "b", "word": 1}]}, ("rules", 1, "word"), "of step 'take' has no 'word'"),
        ({"rules": [{"name": 1}]}, ("rules", 0, "name"), "takes a text; got 1"),
        ({"rules": [{"name": "a", "words": ["b", 2]}]}, ("rules", 0, "words", 1), "takes a text; got 2"),
        ({"sole_rule": {"name": "${{ services }}"}}, ("sole_rule", "name"), "'services' is a list of texts"),
        ({"sole_rule": {"name": "a", "weight": "b"}}, ("sole_rule", "weight"), "takes a whole number; got 'b'"),
        ({"number": "${{ env }}"}, ("number",), "takes a whole number; 'env' is a text"),
        ({"number": "${{ env }}0"}, ("number",), "takes a whole number; got '${{ env }}0'"),
        ({"text": "${{ services }}"}, ("text",), "takes a text; 'services' is a list of texts"),
        ({"texts": ["${{ services }}"]}, ("texts", 0), "takes a text; 'services' is a list of texts"),
        ({"text": "${{ steps.make.outputs.number }}"}, ("text",), "'steps.make.outputs.number' is a whole number"),
        ({"text": "${{ each }}"}, ("text",), "Step 'take' uses 'each' but has no 'for_each'."),
        ({"text": "${{ each }}-${{ env }}"}, ("text",), "Step 'take' uses 'each' but has no 'for_each'."),
        ({"text": "${{ secrets.x }}"}, ("text",), "'${{ secrets.x }}' is not an expression."),
        ({"text": "${{ steps.none.outputs.x }}"}, ("text",), "there is no step 'none' in this plan"),
        ({"text": "${{ steps.make.outputs.x }}"}, ("text",), "step 'make' has no output 'x'"),
        ({"text": "${{ steps.take.outputs.x }}"}, ("text",), "step 'take' does not come before 'take'"),
        ({"colour": "red"}, ("colour",), "Step 'take' (take) has no input 'colour'."),
    ],
)
def test_a_wrong_input_is_pointed_at(inputs: dict[str, Any], path: tuple[Any, ...], message: str) -> None:
    fault = sole_fault(take(**inputs))

    assert fault.path == ("steps", "take", "with", *path)
    assert message in fault.message


def test_an_output_from_outside_its_keys_is_a_map_by_key() -> None:
    fault = sole_fault(take(text="${{ steps.make.outputs.text }}"), make=MAKE_EACH)

    assert fault.path == ("steps", "take", "with", "text")
    assert fault.message.endswith("takes a text; 'steps.make.outputs.text' is a map by key (a text each).")


def test_inside_the_same_key_an_output_is_no_map() -> None:
    fault = sole_fault(take(for_each="services", by_key="${{ steps.make.outputs.text }}"), make=MAKE_EACH)

    assert fault.path == ("steps", "take", "with", "by_key")


def test_a_step_that_is_not_upstream_is_advised_as_a_need() -> None:
    fault = sole_fault(take((), text="${{ steps.make.outputs.text }}"))

    assert "does not come before 'take'" in fault.message
    assert fault.resolution == "Add 'make' to its needs."


def test_a_missing_input_points_at_the_step() -> None:
    (fault,) = faults(plan(take={"uses": "take"}), KINDS)

    assert fault.path == ("steps", "take")
    assert fault.message == "Step 'take' (take) lacks its input 'text'."


def test_an_unknown_kind_is_one_fault_however_often_its_outputs_are_used() -> None:
    fault = sole_fault(take(text="${{ steps.make.outputs.text }}"), make={"uses": "mkae"})

    assert fault.path == ("steps", "make", "uses")
    assert fault.resolution == "There are: make, take."


def test_every_fault_is_found() -> None:
    broken = plan(
        a={"uses": "nothing"}, b={"uses": "make", "needs": ("c",)}, d={"uses": "take", "with_": {"text": 1, "x": 2}}
    )

    paths = {fault.path for fault in faults(broken, KINDS)}

    assert paths == {
        ("steps", "a", "uses"),
        ("steps", "b", "needs", 0),
        ("steps", "d", "with", "text"),
        ("steps", "d", "with", "x"),
    }


@pytest.mark.parametrize(
    ("title", "message"),
    [
        ("take ${{ each }}", "uses 'each' but has no 'for_each'"),
        ("take ${{ steps.make.outputs.text }}", "The title of step 'take' cannot hold a step's output."),
        ("take ${{ it }}", "is not an expression"),
    ],
)
def test_a_title_is_told_before_any_step_has_outputs(title: str, message: str) -> None:
    fault = sole_fault(take(title=title))

    assert fault.path == ("steps", "take", "title")
    assert message in fault.message


def test_a_step_without_keys_would_never_run() -> None:
    none, empty = faults(plan(a=MAKE_EACH, b={"uses": "make", "for_each": ()}), KINDS)

    assert none.path == ("steps", "a", "for_each")
    assert "the plan names no services" in none.message
    assert empty.path == ("steps", "b", "for_each")


def test_a_key_must_not_be_there_twice() -> None:
    service, key = faults(plan(("a", "b", "a"), a={"uses": "make", "for_each": ("x", "x")}), KINDS)

    assert service.path == ("services", 2)
    assert key.path == ("steps", "a", "for_each", 1)
