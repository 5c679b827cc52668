"""The list of read paths is what the recorded servers answered."""

import json

import pytest

from lgtm_deploy.core.read_paths import READ_PATHS, known_paths, read_requests
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.versions import numbers
from tests.core.recordings import asks_alike, recording
from tests.stacks import make_service

NOW = 1_796_000_000.0
PLAIN = [
    "tempo-2.3.1-plain",
    "tempo-2.9.0-plain",
    "tempo-3.0.3-plain",
    "loki-3.5.1-auth",
    "loki-3.5.1-no-auth",
    "mimir-2.16.0-multitenancy",
    "pyroscope-1.13.5-plain",
    "pyroscope-1.13.5-plain-single-tenant",
    "pyroscope-2.0.4-plain",
    "pyroscope-2.0.4-plain-single-tenant",
]


def service_of(name: str) -> Service:
    program, version, _ = name.split("-", 2)
    return make_service(name=program, version=version)


@pytest.mark.parametrize("name", PLAIN)
def test_each_listed_path_answered_a_tenant_on_each_recorded_version(name: str) -> None:
    service = service_of(name)
    known = known_paths(service)
    assert known

    for request in (each for each in read_requests(service, NOW) if each.path in known):
        statuses = {
            exchange["response"]["status"]
            for exchange in recording(name)["exchanges"]
            if asks_alike(exchange["request"], request) and not exchange["name"].startswith("early")
        }
        assert statuses == {200}, request


def test_the_list_holds_nothing_but_data() -> None:
    paths = [each.path for known in READ_PATHS.values() for each in known.paths]

    assert len(paths) == len(set(paths))
    assert not [path for path in paths for word in ("ready", "status", "buildinfo", "echo", "ring") if word in path]


@pytest.mark.parametrize(
    ("service", "known"),
    [
        (make_service(name="tempo", version="2.5.0"), True),
        (make_service(name="tempo", version="v2.9.0-rc1"), True),
        (make_service(name="tempo", version="2.2.4"), False),
        (make_service(name="tempo", version="3.1.0"), False),
        (make_service(name="tempo", version="latest"), False),
        (make_service(name="traces", kind="tempo", version="2.9.0"), True),
        (make_service(name="grafana", version="12.1.0"), False),
        (make_service(name="inner", version="2.9.0"), False),
    ],
)
def test_a_version_is_known_between_those_that_were_recorded(service: Service, known: bool) -> None:
    assert bool(known_paths(service)) is known


def test_a_path_that_came_later_is_not_expected_of_an_earlier_version() -> None:
    def has(version: str) -> bool:
        return any("/api/v2/traces/" in path for path in known_paths(make_service(name="tempo", version=version)))

    assert not has("2.3.1")
    assert has("2.9.0")


def test_queries_of_pyroscope_name_a_time_range_within_a_day() -> None:
    sent = [json.loads(each.send) for each in read_requests(make_service(name="pyroscope"), NOW) if each.send]
    timed = [each for each in sent if each]

    assert timed
    assert all(0 < each["end"] - each["start"] <= 86_400_000 and each["end"] == NOW * 1000 for each in timed)


@pytest.mark.parametrize(("text", "found"), [("2.9.0", (2, 9, 0)), ("v3.0.3-rc.1", (3, 0, 3)), ("latest", ())])
def test_versions_are_compared_by_their_numbers(text: str, found: tuple[int, ...]) -> None:
    assert numbers(text) == found
