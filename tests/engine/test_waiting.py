"""When a gate is looked at."""

from collections.abc import Callable

import pytest

from lgtm_deploy.core.gate import Open, Waiting
from lgtm_deploy.engine.waiting import poll


def looks(*, begins: float, seconds: float, until: float) -> list[float]:
    """The moments at which a gate is looked at that says to wait so many seconds, until it opens."""
    now = begins
    seen: list[float] = []

    def look() -> Open[None] | Waiting:
        seen.append(round(now, 6))
        return Open(outputs=None) if now >= until else Waiting(reason="not yet", poll_seconds=seconds)

    def pause(length: float) -> None:
        nonlocal now
        assert length > 0
        now += length

    monotonic: Callable[[], float] = lambda: now  # noqa: E731
    end = poll(look, deadline=begins + 600, seconds=600, monotonic=monotonic, pause=pause, tell=lambda _: None)
    assert isinstance(end, Open)
    return seen


@pytest.mark.parametrize("begins", [100.0, 100.3, 100.7, 100.99])
def test_waits_that_began_at_different_moments_look_at_the_same_ones(begins: float) -> None:
    seen = looks(begins=begins, seconds=1.0, until=110)

    assert seen[0] == begins
    assert set(range(102, 111)) <= set(seen)
    assert len(seen) <= 12


def test_who_looks_twice_as_often_looks_at_each_of_their_moments_too() -> None:
    often, seldom = (looks(begins=100.2, seconds=seconds, until=110) for seconds in (0.5, 1.0))

    assert set(seldom) <= set(often)
