"""Checks and round trips against what real servers answered."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lgtm_deploy.core.ports import HttpFailure, HttpResponse
from lgtm_deploy.core.stack import Environment, Service, Stack
from lgtm_deploy.core.verify import writes
from lgtm_deploy.core.verify.check import Place, as_tenant
from lgtm_deploy.core.verify.finding import Finding, Level, by_service, whole_api, worst
from lgtm_deploy.core.verify.round_trip import NOBODY, judge_reading, may_come
from lgtm_deploy.core.verify.routes import is_there
from lgtm_deploy.steps.verification import Verification
from lgtm_deploy.steps.verification.writing import write
from tests.stacks import make_service
from tests.verify.loopback import HurriedClock
from tests.verify.recorded import RUN, RecordedWeb, exchange, reply

URL = "http://lb"
PYROSCOPE_RUN = "plain"


def stack_of(service: Service, tenant: str = "demo") -> Stack:
    environment = Environment(
        name="test", region="r", account="1" * 12, cluster="c", url=URL, tenant=tenant, traces=f"{URL}:4318"
    )
    return Stack(name="test", directory=Path(), services={service.name: service}, environment=environment)


def found_in(
    name: str, *, prefix: str = "", tenant: str = "demo", own_tenant: str | None = None, seconds: float = 10.0
) -> dict[str, Finding]:
    """All findings about a recorded server, by check."""
    clock = HurriedClock()
    program, version, _ = name.split("-", 2)
    service = make_service(name=program, version=version, prefix=prefix, tenant=own_tenant)
    run = PYROSCOPE_RUN if service.name == "pyroscope" else RUN
    web = RecordedWeb(name, clock, tenants=bool(tenant) and own_tenant is None, also=others(service, run))
    ports: Any = SimpleNamespace(web=web, clock=clock)
    asking = Verification(stack_of(service, tenant), ports, aws=False, pause=clock.pause, seconds=seconds)
    findings = [*asking.read([service]), *write(asking, [service], run)]
    assert {each.service for each in findings} == {service.name}
    return {each.check: each for each in findings}


def others(service: Service, run: str) -> tuple[Any, ...]:
    """How other tenants are answered where the recording of the round trip does not have it."""
    place = Place(service=service.name, url=URL, tenant="demo", prefix=service.prefix)

    def asked(trip: Any) -> Any:
        return as_tenant(trip.readings[0].question, NOBODY)

    if service.name == "mimir":
        # There another tenant wrote the same sample.
        nothing = exchange("mimir-2.16.0-multitenancy", "query, nothing found")
        return ((asked(writes.mimir(place, run, 0, lambda *_: b"")), nothing),)
    if service.name == "pyroscope":
        nothing = exchange("pyroscope-2.0.4-tenants", 'Series {service_name="lgtm.verify"}, tenant a third')
        return ((asked(writes.pyroscope(place, run, 0)), nothing),)
    return ()


def levels(found: dict[str, Finding]) -> dict[str, Level]:
    return {name: each.level for name, each in found.items()}


@dataclass(frozen=True)
class Sound:
    """A server that works, and how."""

    name: str
    prefix: str = ""
    tenants: bool = True
    checks: frozenset[str] = field(default_factory=frozenset)


TEMPO = frozenset({"echo", "search", "no tenant", "write", "read by id", "found by search", "other tenant"})
PYROSCOPE = frozenset({"label names", "no tenant", "write", "read back", "other tenant"})
LOKI = frozenset({"labels", "no tenant", "write", "read back", "other tenant"})
MIMIR = LOKI | {"metric names"}
SOUND = (
    Sound("tempo-2.3.1-plain", checks=TEMPO),
    Sound("tempo-2.9.0-plain", checks=TEMPO),
    Sound("tempo-2.9.0-api-prefix", prefix="/tempo", checks=TEMPO),
    Sound("tempo-3.0.3-plain", checks=TEMPO),
    Sound("tempo-3.0.3-api-prefix", prefix="/tempo", checks=TEMPO),
    Sound("pyroscope-1.13.5-plain", checks=PYROSCOPE),
    Sound("pyroscope-2.0.4-plain", checks=PYROSCOPE),
    Sound("pyroscope-2.0.4-path-prefix", prefix="/pyroscope", checks=PYROSCOPE | {"ready"}),
    Sound("loki-3.5.1-auth", checks=LOKI),
    Sound("mimir-2.16.0-multitenancy", checks=MIMIR),
)
WITHOUT_TENANTS = (
    Sound("loki-3.5.1-no-auth", checks=LOKI),
    Sound("pyroscope-1.13.5-plain-single-tenant", checks=PYROSCOPE),
    Sound("pyroscope-2.0.4-plain-single-tenant", checks=PYROSCOPE),
)


@pytest.mark.parametrize("server", SOUND, ids=lambda server: server.name)
def test_a_real_server_that_works_is_ok_in_every_check(server: Sound) -> None:
    found = found_in(server.name, prefix=server.prefix)

    assert [each.why for each in found.values() if each.level != "ok"] == []
    assert found.keys() == server.checks


@pytest.mark.parametrize("server", WITHOUT_TENANTS, ids=lambda server: server.name)
def test_a_server_without_tenants_is_not_asked_to_keep_them_apart(server: Sound) -> None:
    for found in (found_in(server.name, tenant=""), found_in(server.name, own_tenant="")):
        assert found.keys() == server.checks
        not_ok = {name: level for name, level in levels(found).items() if level != "ok"}
        assert not_ok == {"no tenant": "not-configured", "other tenant": "not-configured"}
        assert "no tenant is configured" in found["no tenant"].means


def test_a_server_that_answers_without_a_tenant_although_one_is_configured_is_failed() -> None:
    clock = HurriedClock()
    service = make_service(name="loki")
    ports: Any = SimpleNamespace(web=RecordedWeb("loki-3.5.1-no-auth", clock, tenants=False), clock=clock)
    findings = Verification(stack_of(service), ports, aws=False, pause=clock.pause).read([service])

    [found] = [each for each in findings if each.check == "no tenant"]
    assert found.level == "failed"
    assert "`tenant: none`" in found.todo


def test_tempo_that_echoes_and_cannot_read_is_failed_with_its_cause() -> None:
    found = found_in("tempo-2.3.1-path-prefix", prefix="/tempo")

    assert levels(found)["echo"] == "ok"
    for check in ("search", "read by id", "found by search"):
        assert found[check].level == "failed"
        assert found[check].means.startswith("Tempo's parts do not find each other under this prefix")
        assert "`http_api_prefix: /tempo`" in found[check].means


@pytest.mark.parametrize("name", ["tempo-2.9.0-path-prefix", "tempo-3.0.3-path-prefix"])
def test_a_server_whose_whole_api_answers_404_is_failed(name: str) -> None:
    found = found_in(name, prefix="/tempo")

    for check in ("echo", "search", "no tenant"):
        assert found[check].level == "failed"
        assert found[check].means.startswith("its whole API answers 404: ")
        assert "http_api_prefix" in found[check].todo
    assert found["read by id"].level == "failed"


def test_a_pyroscope_that_hangs_is_failed_in_time_with_the_path_and_the_seconds() -> None:
    found = found_in("pyroscope-1.13.5-path-prefix", prefix="/pyroscope", seconds=3.0)

    names = found["label names"]
    assert (names.level, names.got) == ("failed", "timeout: no answer within 3 s")
    assert names.asked == "POST /pyroscope/querier.v1.QuerierService/LabelNames"
    assert "queries hang. Use 2.0.4" in names.means
    assert found["ready"].level == "ok"
    assert found["write"].level == "failed"
    assert "profiles are refused" in found["write"].means
    assert "read back" not in found


def test_a_first_query_that_is_not_answered_in_time_is_asked_again() -> None:
    trip = writes.pyroscope(Place(service="pyroscope", url=URL, tenant="demo"), RUN, 0)
    hung = HttpFailure(trouble="timeout", detail="too slow")

    assert may_come(trip, hung)
    assert trip.readings[0].within > 2 * trip.readings[0].question.seconds
    assert judge_reading(trip, trip.readings[0], hung, 30.0, skewed=False).level == "failed"


@pytest.mark.parametrize("version", ["2.3.1", "2.9.0", "3.0.3"])
def test_a_trace_that_is_not_there_yet_is_waited_for(version: str) -> None:
    unknown = "GET /api/traces/0123456789abcdef0123456789abcdef, demo"
    place = Place(service="tempo", url=URL, tenant="demo")
    trip = writes.tempo(place, writes.traces_place(place, URL), RUN, 0)
    heard = reply(exchange(f"tempo-{version}-plain", unknown), trip.readings[0].question.url)

    assert may_come(trip, heard)
    judgement = judge_reading(trip, trip.readings[0], heard, 8.0, skewed=False)
    assert judgement.level == "failed"
    assert "cannot be read" in judgement.means
    assert isinstance(heard, HttpResponse)
    assert is_there(heard, "tempo")


@pytest.mark.parametrize("version", ["2.9.0", "3.0.3"])
def test_a_route_for_traces_that_does_not_exist_is_not_waited_for(version: str) -> None:
    place = Place(service="tempo", url=URL, tenant="demo", prefix="/tempo")
    trip = writes.tempo(place, writes.traces_place(place, URL), RUN, 0)
    heard = reply(exchange(f"tempo-{version}-path-prefix", "by id, first look"), trip.readings[0].question.url)

    assert isinstance(heard, HttpResponse)
    assert not may_come(trip, heard)
    assert not is_there(heard, "tempo")
    judgement = judge_reading(trip, trip.readings[0], heard, 0.0, skewed=False)
    assert judgement.level == "failed"
    assert "does not serve the prefix /tempo" in judgement.means


def test_a_service_of_which_one_path_answers_is_only_degraded() -> None:
    found = found_in("tempo-2.9.0-plain", prefix="")
    echo = replace(found["echo"], level="degraded", status=404)

    assert worst(each.level for each in whole_api([echo, found["search"]])) == "degraded"
    assert by_service([echo])["tempo"] == [echo]


def test_a_hang_is_no_answer() -> None:
    assert isinstance(reply(exchange("pyroscope-1.13.5-path-prefix", "LabelNames, hour")), HttpFailure)
