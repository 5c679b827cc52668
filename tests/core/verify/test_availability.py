"""How much of the time a service answered."""

from collections.abc import Sequence

import pytest

from lgtm_deploy.core.stack import Health, Paths, Service
from lgtm_deploy.core.verify.availability import (
    Availability,
    Knock,
    availability_finding,
    measured,
    path_of,
    read,
    together,
    told,
    watched_checks,
    written,
)
from lgtm_deploy.core.verify.check import Place
from tests.stacks import make_service


def knocks(text: str, every: float = 1.0) -> list[Knock]:
    """A request for each letter: `.` was good, `x` was bad. Each takes 0.1 s."""
    return [
        Knock(began=number * every, ended=number * every + 0.1, wrong="" if sign == "." else "503 ''")
        for number, sign in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("text", "failures", "gap"),
    [
        ("", 0, 0.0),
        (".....", 0, 0.0),
        ("..x..", 1, 2.0),
        ("..xx..x..", 3, 3.0),
        ("..xxx", 3, 3.0),
        ("xx..", 2, 2.1),
        ("xxx", 3, 2.1),
    ],
)
def test_the_longest_gap_is_between_two_good_answers(text: str, failures: int, gap: float) -> None:
    found = measured("GET /", knocks(text))

    assert (found.requests, found.failures) == (len(text), failures)
    assert found.longest_gap == pytest.approx(gap)
    assert found.why == ("GET /: 503 ''" if failures else "")


def test_a_service_is_the_sum_of_its_paths() -> None:
    parts = [measured("GET /a", knocks("..")), measured("GET /b", knocks(".x.."))]

    found = together(parts)

    assert (found.paths, found.requests, found.failures) == (("GET /a", "GET /b"), 6, 1)
    assert found.longest_gap == pytest.approx(2.0)
    assert together([]) == Availability()


@pytest.mark.parametrize(
    ("found", "words", "level"),
    [
        (measured("GET /", knocks(".")), "1 request, none failed", "ok"),
        (measured("GET /", knocks(".x.")), "3 requests, 1 failed, longest gap 2.0 s", "failed"),
        (Availability(), "not watched: nothing of it that stays answered before", "not-configured"),
    ],
)
def test_it_is_told_in_a_few_words(found: Availability, words: str, level: str) -> None:
    assert told(found) == words
    assert availability_finding("loki", found).level == level


def test_an_event_holds_it() -> None:
    found = {"loki": measured("GET /", knocks(".x.")), "tempo": Availability()}

    assert read(written(found)) == found


def paths_of(service: Service) -> Sequence[str]:
    return [path_of(check) for check in watched_checks(service, Place.of(service, "http://lb", "demo"), 0.0)]


def test_what_is_watched_is_light_and_stays() -> None:
    pyroscope = make_service(
        name="pyroscope",
        prefix="/pyroscope",
        health=Health(path="/pyroscope/ready"),
        paths=Paths(moves=("/ready",), keeps=("/pyroscope/ingest",), drops=("/pyroscope/render",)),
    )

    assert paths_of(pyroscope) == ["GET /pyroscope/ready", "POST /pyroscope/ingest"]
    assert paths_of(make_service(name="mimir")) == ["GET /prometheus/api/v1/labels"]
