"""What happens when, and what a person is told of it."""

from dataclasses import replace
from math import inf

import pytest

from lgtm_deploy.core.handover import Decision, Facts, decide, flip_before_images, images_first, predict, told
from lgtm_deploy.core.handover.checks import Span
from lgtm_deploy.core.handover.timeline import Fate, breaker_threshold
from tests.core.handover_facts import OLD, check, contract, facts, service

ANY = ("direct", "check-first", "matcher-widening", "grace-hold")


def span(earliest: float, latest: float) -> Span:
    return Span(earliest=earliest, latest=latest, likely=earliest)


def decided(given: Facts, allow: tuple[str, ...] = ANY) -> Decision:
    found = decide([given], allow=allow)
    assert isinstance(found, Decision)
    return found


def lines(given: Facts, allow: tuple[str, ...] = ANY) -> tuple[str, ...]:
    return told([given], decided(given, allow))


def test_a_held_handover_marks_old_targets_after_the_flip_and_kills_none() -> None:
    given = facts(deregistration_delay=120)

    seen = predict(given, decided(given).ways["tempo"])

    assert seen.fates == (Fate(image="old", tasks=1, marked=span(15, 20)),)
    assert seen.tripped is None
    assert seen.without_health == 0
    assert seen.complete == span(125, 130)


@pytest.mark.parametrize(
    ("flip_after", "complete"),
    [(10.0, span(0, 5)), (17.0, span(0, 10)), (20.0, span(5, 10)), (60.0, span(5, 10))],
)
def test_how_soon_new_targets_are_healthy_depends_on_whether_they_were_marked(
    flip_after: float, complete: Span
) -> None:
    given = facts()

    assert predict(given, decided(given).ways["tempo"], flip_after=flip_after).complete == complete


def test_a_raised_threshold_gives_old_targets_longer() -> None:
    given = facts(check=check(3, 2), service=service(unhealthy_threshold_variable="unhealthy"))

    seen = predict(given, decided(given).ways["tempo"])

    assert seen.fates[0].marked == span(20, 25)
    assert seen.without_health == 0


def test_images_first_without_a_hold_lose_tasks_until_the_breaker_trips() -> None:
    given = facts(check=check(2, 3, 30), start_seconds=20.0)

    seen = images_first(given)

    assert [fate.failures for fate in seen.fates] == [1, 2, 3]
    assert [fate.killed for fate in seen.fates] == [span(60, 90), span(140, 200), span(220, 310)]
    assert seen.tripped == span(220, 310)
    assert seen.complete is None
    assert seen.without_health == inf


def test_a_grace_period_only_puts_the_kill_off() -> None:
    seen = images_first(facts(grace_period=120))

    assert seen.fates[0].marked == span(15, 20)
    assert seen.fates[0].killed == span(120, 120)
    assert seen.tripped == span(360, 360)


def test_several_tasks_fail_at_once_and_trip_the_breaker_sooner() -> None:
    assert images_first(facts(desired=4)).tripped == span(15, 20)
    assert images_first(facts(desired=2)).tripped == span(30, 40)


def test_without_a_breaker_it_goes_on_again_and_again() -> None:
    given = facts(breaker=False)

    assert images_first(given).tripped is None
    assert any("again and again" in line for line in lines(given))


@pytest.mark.parametrize(("desired", "failures"), [(1, 3), (6, 3), (7, 4), (9, 5), (1000, 200)])
def test_the_breaker_trips_at_half_the_tasks_within_its_bounds(desired: int, failures: int) -> None:
    assert breaker_threshold(desired) == failures


@pytest.mark.parametrize(
    ("grace", "age", "killed"),
    [(0, 86_400.0, span(15, 20)), (120, 86_400.0, span(15, 20)), (120, 20.0, span(100, 100))],
)
def test_a_flip_before_the_images_kills_old_tasks_that_outlived_their_grace_period(
    grace: int, age: float, killed: Span
) -> None:
    seen = flip_before_images(facts(grace_period=grace, oldest_age=age))

    assert seen.fates[0].marked == span(15, 20)
    assert seen.fates[0].killed == killed
    assert (seen.without_health, seen.tripped) == (inf, None)


def test_what_replaces_them_is_killed_as_well() -> None:
    seen = flip_before_images(facts(start_seconds=2.0))

    assert seen.fates[1].marked == span(32, 42)
    assert seen.fates[1].killed == span(32, 42)


def test_an_ordinary_deployment_takes_as_long_as_the_image_needs_to_get_ready() -> None:
    quick = facts(contract=contract(new=(200, 200), ready=3.0), deregistration_delay=10)
    slow = facts(contract=contract(new=(200, 200), ready=40.0))

    assert predict(quick, decided(quick).ways["tempo"]).complete == span(13, 18)
    assert predict(slow, decided(slow).ways["tempo"]).complete == span(40, 50)


def test_tasks_that_find_no_room_at_once_take_another_turn() -> None:
    given = facts(contract=contract(new=(200, 200)), desired=4, maximum_percent=150, start_seconds=1.0)

    assert predict(given, decided(given).ways["tempo"]).complete == span(1, 11)


def test_a_person_is_told_the_matrix_the_sequence_and_how_it_goes() -> None:
    given = facts(check=check(2, 3, 30), start_seconds=20.0, service=service(unhealthy_threshold_variable="unhealthy"))

    assert lines(given, ("direct", "grace-hold")) == (
        "tempo runs now: /ready 200 healthy, /tempo/ready 404",
        "tempo new image: /ready 404, /tempo/ready 200 healthy",
        "tempo sequence: grace-hold, because neither image passes on the other's path",
        "tempo unhealthy threshold: 3 -> 4 for the window, then 3 again",
        "tempo targets without health: 0 s",
        "tempo old targets unhealthy: 90-120 s after the flip",
        "tempo deployment complete: 0-30 s after the flip",
        "tempo images first, no hold: new tasks killed after 60-90 s, circuit breaker trips after 220-310 s",
        "tempo flip first: old tasks killed after 60-90 s, none healthy until new images are out",
    )


def test_a_person_is_told_what_a_slow_image_would_have_met() -> None:
    given = facts(contract=contract(new=(200, 200), ready=15.0))

    assert "tempo grace period: held, new tasks take 15 s to become ready" in lines(given)
    assert "tempo without the hold: new tasks killed after 15-20 s, circuit breaker trips after 45-60 s" in lines(given)


def test_a_person_is_told_what_was_left_to_luck() -> None:
    assert any("caution: thresholds 2 healthy, 3 unhealthy: tight" in line for line in lines(facts(check=check(2, 3))))


def test_little_is_told_of_what_does_not_move() -> None:
    stays = facts(contract=contract(new=(200, 200), new_path=OLD))
    runs = facts(contract=replace(contract(), skipped="this image runs already"))

    assert lines(stays) == (
        "tempo sequence: direct, because the health check stays where it is",
        "tempo targets without health: 0 s",
        "tempo deployment complete: 0-5 s after new tasks start",
    )
    assert lines(runs) == ("tempo: nothing to hand over: this image runs already",)
