"""How long a grace period has to be held."""

from datetime import UTC, datetime, timedelta

import pytest

from lgtm_deploy.core.handover import HOLD_MARGIN, hold_seconds

NOW = datetime(2026, 1, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, 1800), (86_400, 88_200), (0.9, 1800), (-5, 1800), (None, 1800)],
)
def test_a_hold_outlasts_the_oldest_task_by_the_window_and_a_margin(age: float | None, expected: int) -> None:
    oldest = None if age is None else NOW - timedelta(seconds=age)

    assert hold_seconds(now=NOW, oldest_start=oldest, window=1800) == expected + HOLD_MARGIN
