"""An output stands for a value that no step has given yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lgtm_deploy.core.output import Output, RecipeError, UnknownYetError, origin, outputs_in, resolved


@dataclass(frozen=True, kw_only=True)
class Image:
    digest: str


@dataclass(frozen=True, kw_only=True)
class Result:
    image: Image
    seconds: Mapping[str, int] = field(default_factory=dict)


PUSHED: Any = Output("push[tempo]", Result)
GIVEN = {"push[tempo]": {"image": {"digest": "sha256:1"}, "seconds": {"tempo": 7}}}


def test_a_part_of_an_output_knows_its_step_and_its_path() -> None:
    assert origin(PUSHED.image.digest) == ("push[tempo]", ("image", "digest"))
    assert origin(PUSHED.seconds["tempo"]) == ("push[tempo]", ("seconds", "tempo"))
    assert repr(PUSHED.image) == "output of push[tempo].image"


@pytest.mark.parametrize(
    "use",
    [
        bool,
        str,
        int,
        len,
        list,
        hash,
        lambda output: output == "sha256:1",
        lambda output: output != "sha256:1",
        lambda output: output < 2,
        lambda output: output + "x",
        lambda output: "x" + output,
        lambda output: f"image {output}",
        lambda output: "x" in output,
        lambda output: output[0],
        lambda output: output.image["digest"],
    ],
)
def test_an_output_cannot_be_used_as_a_value(use: Callable[[Any], object]) -> None:
    with pytest.raises(
        RecipeError, match=r"The output of push\[tempo\]\S* has no value before the step has run\. Pass"
    ):
        use(PUSHED)


def test_a_field_that_the_result_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(RecipeError, match=r"has no field 'digset'\. It has: digest\."):
        _ = PUSHED.image.digset


def test_outputs_are_found_and_replaced_anywhere_in_a_value() -> None:
    value = {"image": Image(digest=PUSHED.image.digest), "more": [PUSHED.seconds, ("plain", 5, None)]}

    assert [origin(each)[1] for each in outputs_in(value)] == [("image", "digest"), ("seconds",)]
    assert resolved(value, GIVEN.__getitem__) == {
        "image": {"digest": "sha256:1"},
        "more": ({"tempo": 7}, ("plain", 5, None)),
    }


def test_the_output_of_a_step_that_has_not_run_is_unknown_yet() -> None:
    def result(step: str) -> Any:
        raise UnknownYetError(step)

    with pytest.raises(UnknownYetError):
        resolved({"a": PUSHED.image}, result)
