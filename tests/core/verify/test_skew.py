"""Clocks that disagree."""

from datetime import UTC, datetime

import pytest

from lgtm_deploy.core.ports import HttpResponse
from lgtm_deploy.core.verify.clock import skew, skew_finding

NOW = datetime(2026, 1, 16, 0, 15, 4, tzinfo=UTC)


def reply(date: str) -> HttpResponse:
    return HttpResponse(status=200, headers={"date": date} if date else {})


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Fri, 16 Jan 2026 00:15:04 GMT", 0.0),
        ("Fri, 16 Jan 2026 00:20:04 GMT", 300.0),
        ("Fri, 16 Jan 2026 00:14:04 GMT", -60.0),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_date_header_tells_how_far_ahead_the_other_side_is(date: str, seconds: float | None) -> None:
    assert skew(reply(date), NOW) == seconds


@pytest.mark.parametrize(("skews", "words"), [([300.0, 301.0], "300 s behind"), ([-90.0], "90 s ahead")])
def test_clocks_that_disagree_are_a_finding(skews: list[float], words: str) -> None:
    found = skew_finding(skews)

    assert found is not None
    assert found.level == "degraded"
    assert words in found.got


@pytest.mark.parametrize("skews", [[], [0.0], [-1.0, 2.0, 900.0]])
def test_one_answer_that_disagrees_is_not(skews: list[float]) -> None:
    assert skew_finding(skews) is None
