"""Which status codes pass a health check."""

import pytest

from lgtm_deploy.core.matcher import matches


@pytest.mark.parametrize(
    ("matcher", "status", "passes"),
    [
        ("200", 200, True),
        ("200", 404, False),
        ("200,404", 404, True),
        ("200, 404", 404, True),
        ("200-299", 204, True),
        ("200-299", 300, False),
        ("200-204,404", 404, True),
        ("", 200, False),
    ],
)
def test_a_code_passes_when_the_matcher_has_it(matcher: str, status: int, passes: bool) -> None:
    assert matches(matcher, status) is passes
