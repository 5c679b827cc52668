"""Whatever comes back is judged: nothing that a server can say makes a traceback."""

import json

from hypothesis import given
from hypothesis import strategies as some

from lgtm_deploy.core.ports import HttpResponse
from lgtm_deploy.core.verify import grafana, writes
from lgtm_deploy.core.verify.check import Check, Place, judged
from lgtm_deploy.core.verify.reads import read_checks
from lgtm_deploy.core.verify.round_trip import judge_other_tenant, judge_reading, judge_write, may_come
from tests.stacks import make_service

NAMES = ("grafana", "mimir", "loki", "tempo", "pyroscope")
WORDS = "status data result database version traces traceID names labelsSet labels uid tags id metric values"
KEYS = some.sampled_from(WORDS.split(" "))
VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.text(max_size=5)
    | some.sampled_from(["success", "ok", "OK"]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
BODIES = VALUES.map(json.dumps) | some.text(max_size=40) | some.just("404 page not found\n")
REPLIES = some.builds(
    HttpResponse,
    status=some.integers(100, 599),
    body=BODIES,
    headers=some.dictionaries(some.sampled_from(["date", "location", "server"]), some.text(max_size=12)),
    whole=some.booleans(),
    seconds=some.floats(0, 20),
)


def checks() -> list[Check]:
    found = []
    for name in NAMES:
        service = make_service(name=name, prefix="/tempo" if name == "tempo" else "")
        found += read_checks(service, Place.of(service, "http://lb", "demo"), 1.7e9)
    place = Place(service="grafana", url="http://lb")
    listed = HttpResponse(status=200, body='[{"uid":"loki"}]')
    return [
        *found,
        grafana.source_list(place, {}),
        *(grafana.source_check(place, {}, one) for one in grafana.sources_in(listed)),
    ]


CHECKS = checks()
PLACE = Place(service="tempo", url="http://lb", tenant="demo", prefix="/tempo")
TRIPS = (
    writes.grafana(PLACE, {}, "ab", 1.7e9),
    writes.mimir(PLACE, "ab", 1.7e9, lambda *_: b""),
    writes.loki(PLACE, "ab", 1.7e9),
    writes.tempo(PLACE, writes.traces_place(PLACE, "http://c"), "ab" * 16, 1.7e9),
    writes.pyroscope(PLACE, "ab", 1.7e9),
)


@given(reply=REPLIES)
def test_every_check_has_a_verdict_for_every_answer(reply: HttpResponse) -> None:
    for check in CHECKS:
        found = judged(check, reply)
        assert found.got
        assert found.level in ("ok", "not-configured") or found.means or check.name.startswith("data source")
        if found.level == "ok" and check.name != "no tenant":
            assert reply.status == 200 or 200 <= reply.status < 300


@given(reply=REPLIES)
def test_every_round_trip_has_a_verdict_for_every_answer(reply: HttpResponse) -> None:
    for trip in TRIPS:
        assert judge_write(trip, reply).got
        may_come(trip, reply)
        for reading in trip.readings:
            assert judge_reading(trip, reading, reply, 1.0, skewed=False).got
            assert judge_other_tenant(trip, reading, reply).got


@given(body=BODIES)
def test_whatever_is_listed_makes_checks_or_none(body: str) -> None:
    found = [grafana.source_check(PLACE, {}, one) for one in grafana.sources_in(HttpResponse(status=200, body=body))]

    assert all(check.question.url.startswith("http://lb/tempo/api/datasources/uid/") for check in found)
