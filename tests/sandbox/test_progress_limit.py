"""A wait goes on while something comes further, and not for ever."""

from lgtm_deploy.fakes import FakeClock
from lgtm_deploy.sandbox.progress_limit import ProgressLimit


def limit_of(clock: FakeClock) -> ProgressLimit:
    return ProgressLimit(60, longest=1000, monotonic=clock.monotonic)


def test_a_new_sign_starts_the_pause_again() -> None:
    clock = FakeClock()
    limit = limit_of(clock)

    for size in range(10):
        clock.advance(60)
        limit.observe([("log", size)])
        assert not limit.has_passed


def test_without_a_sign_it_passes_after_the_pause() -> None:
    clock = FakeClock()
    limit = limit_of(clock)
    clock.advance(60)
    assert not limit.has_passed

    clock.advance(1)

    assert limit.has_passed


def test_a_sign_that_comes_back_is_no_progress() -> None:
    clock = FakeClock()
    limit = limit_of(clock)
    limit.observe(["pending"])
    clock.advance(40)
    limit.observe(["running"])
    clock.advance(61)

    limit.observe(["pending"])

    assert limit.has_passed


def test_progress_does_not_go_on_for_ever() -> None:
    clock = FakeClock()
    limit = limit_of(clock)

    for second in range(0, 1000, 50):
        limit.observe([second])
        assert not limit.has_passed
        clock.advance(50)
    clock.advance(1)
    limit.observe(["new"])

    assert limit.has_passed
