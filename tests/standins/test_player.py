"""Recorded answers: which one is played, and how it is made one of today."""

import json
import re

import pytest

from lgtm_deploy.sandbox.standins import recordings, standin
from lgtm_deploy.sandbox.standins.catalogue import PROGRAMS, is_recorded
from lgtm_deploy.sandbox.standins.listener import request_of
from tests.standins.conftest import NOW, InProcess

TENANTS = "multitenancy_enabled: true\n"
LEFT_OUT = (
    "loki-3.5.1-no-auth",
    "loki-3.5.1-wrong-methods-path-prefix",
    "mimir-2.16.0-wrong-methods-path-prefix",
    "pyroscope-1.13.5-plain",
    "pyroscope-1.13.5-plain-single-tenant",
    "pyroscope-2.0.4-path-prefix",
    "pyroscope-2.0.4-plain",
    "pyroscope-2.0.4-plain-single-tenant",
    "pyroscope-2.0.4-tenants-multitenancy-off",
    "tempo-2.9.0-api-prefix",
    "tempo-2.9.0-path-prefix",
    "tempo-2.9.0-plain",
    "tempo-3.0.3-path-prefix",
)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_configuration_without_a_recording_is_answered_from_the_others(name: str, monkeypatch) -> None:
    """Status and content type; `make replay` compares bodies too."""
    service, version, _ = re.fullmatch(r"([a-z]+)-([\d.]+)-(.+)", name).groups()
    known = recordings.load(service, version)
    [left_out] = [each for each in known if each.name == name]
    monkeypatch.setattr(standin, "load", lambda *_: [each for each in known if each.name != name])
    moment = [0.0]
    server = standin.StandIn(
        service, version, left_out.config, clock=lambda: moment[0], wall=lambda: left_out.started + moment[0]
    )
    differences = []
    for each in left_out.exchanges():
        if each.request.path == left_out.source["ready_path"]:
            continue
        moment[0] = each.at
        listener = next(one for one in server.listeners if one.port == (each.port or left_out.source["port"]))
        found = listener.answer(each.request)
        one, other = ((e.status, e.kind, e.hangs, e.drops) for e in (each.response, found))
        if one != other and {one[0], other[0]} != {404, 405}:
            differences.append((each.name, one, other))
    assert len(differences) <= 0.02 * len(list(left_out.exchanges())), differences


def test_the_times_of_an_answer_are_those_of_today() -> None:
    server = InProcess("mimir", "2.16.0", "")
    moment, value = json.loads(server.ask("/prometheus/api/v1/query?query=1%2B1").body)["data"]["result"]
    assert (value, abs(moment - NOW) < 2) == ("2", True)
    refused = InProcess("tempo", "2.9.0", TENANTS).ask("/api/search?start=1800000000&end=1799999940")
    assert refused.body.decode().endswith("received start=1800000000 end=1799999940")


def test_a_request_that_no_recording_holds_is_not_guessed() -> None:
    server = InProcess("mimir", "2.16.0", "")
    assert server.ask("/api/v1/push", method="PATCH").status == 405
    assert server.ask("/nowhere").body == b"404 page not found\n"
    assert InProcess("pyroscope", "2.0.4", TENANTS).ask("/api/nowhere").body.startswith(b'{"code":5')


@pytest.mark.parametrize(
    ("service", "version", "config", "target"),
    [
        ("mimir", "2.16.0", "", "/prometheus/api/v1/query?query=sum(up)"),
        ("loki", "3.5.1", "", "/loki/api/v1/query?query=%7Bjob%3D%22nothing%22%7D"),
        ("tempo", "2.9.0", TENANTS, "/api/search?q=%7B%20duration%20%3E%201s%20%7D"),
    ],
)
def test_another_query_than_a_recorded_one_is_not_guessed(service: str, version: str, config: str, target: str) -> None:
    server = InProcess(service, version, config)
    server.clock.elapsed = 200.0
    found = server.ask(target)
    assert (found.status, found.body) == (501, b"The recordings hold no such request.\n")


@pytest.mark.parametrize(
    ("version", "target", "beginning"),
    [
        ("2.3.1", "/api/search/tag/nope/values", b"{}"),
        ("2.3.1", "/api/v2/search/tag/.nope/values", b"{}"),
        *(
            (version, target, beginning)
            for version in ("2.9.0", "3.0.3")
            for target, beginning in (
                ("/api/search/tag/nope/values", b'{"tagValues":[]'),
                ("/api/search/tag/service.name/values", b'{"tagValues":[]'),
                ("/api/search/tags?scope=span", b'{"tagNames":[]'),
                ("/api/v2/search/tags?scope=resource", b'{"scopes":['),
            )
        ),
    ],
)
def test_a_fresh_tempo_says_that_there_are_no_tags(version: str, target: str, beginning: bytes) -> None:
    server = InProcess("tempo", version, TENANTS)
    server.clock.elapsed = 200.0
    found = server.ask(target)
    assert (found.status, found.body[: len(beginning)]) == (200, beginning)
    assert server.ask("/api/traces/abc123").status == 404


@pytest.mark.parametrize(
    ("service", "version", "target", "tenant", "expected"),
    [
        ("tempo", "2.9.0", "/api/search/tags", "a/b", (400, "tenant ID 'a/b' contains unsupported character '/'")),
        ("tempo", "2.9.0", "/api/search/tags", "a b", (400, "tenant ID 'a b' contains unsupported character ' '")),
        ("tempo", "2.9.0", "/api/search/tags", "demo|another", (200, '{"tagNames":[]')),
        ("mimir", "2.16.0", "/prometheus/api/v1/label/run/values", "a|b", (422, "too many tenant IDs present")),
        ("loki", "3.5.1", "/loki/api/v1/label/run/values", "..", (400, "tenant ID is '.' or '..'")),
        ("loki", "3.5.1", "/loki/api/v1/nowhere", None, (404, "404 page not found")),
    ],
)
def test_a_tenant_is_refused_on_a_path_that_it_was_not_recorded_on(service, version, target, tenant, expected) -> None:
    server = InProcess(service, version, TENANTS if service == "tempo" else "")
    server.clock.elapsed = 200.0
    found = server.ask(target, tenant=tenant)
    assert (found.status, found.body.decode()[: len(expected[1])]) == expected


@pytest.mark.parametrize(("tenants", "named"), [("true", "demo"), ("false", "fake")])
@pytest.mark.parametrize("recorded", ["loki-3.5.1-auth", "loki-3.5.1-no-auth"])
def test_a_refusal_names_the_tenant_of_the_request(recorded: str, tenants: str, named: str, monkeypatch) -> None:
    known = [each for each in recordings.load("loki", "3.5.1") if each.name == recorded]
    monkeypatch.setattr(standin, "load", lambda *_: known)
    found = InProcess("loki", "3.5.1", f"auth_enabled: {tenants}\n").ask("/loki/api/v1/rules")
    assert (found.status, f"open /loki/rules/{named}:" in found.body.decode()) == (400, True)


def test_an_answer_with_data_is_not_played_where_nothing_was_written() -> None:
    server = InProcess("tempo", "2.9.0", TENANTS)
    server.clock.elapsed = 60.0
    assert json.loads(server.ask("/api/search?q=%7B%7D").body)["traces"] == []
    assert server.ask("/api/traces/5b8aa5a2d2c872e8321cf37308d69df2").status == 404


def test_a_json_text_that_was_cut_is_closed() -> None:
    for cut in ('{"a":[{"b":"c', '{"a":1,"b', '{"a":1,"b":', '{"a":[1,2', '{"a":"x\\', '{"a":{"b":1},'):
        whole = recordings.complete(cut)
        assert whole.startswith(cut)
        assert json.loads(whole)["a"]


def test_times_are_found_moved_and_masked() -> None:
    text = 'a 1796079838000000000 "1796079838.25" 2026-12-01T00:00:00Z 42'
    assert recordings.mask(text) == 'a # "#" #Z 42'
    assert recordings.shift(text, 60) == 'a 1796079898000000000 "1796079898.25" 2026-12-01T00:01:00Z 42'
    assert recordings.times("x=1796079838123")[0] == 1796079838


def test_all_versions_but_those_of_grafana_and_alloy_are_recorded() -> None:
    assert {name: program.versions for name, program in PROGRAMS.items() if name not in {"grafana", "alloy"}} == {
        "loki": ("3.5.1",),
        "mimir": ("2.16.0",),
        "pyroscope": ("1.13.5", "2.0.4"),
        "tempo": ("2.3.1", "2.9.0", "3.0.3"),
    }
    assert is_recorded("tempo", "3.0.3")
    assert not is_recorded("tempo", "2.2.4")
    assert not is_recorded("grafana", "12.1.0")


def test_a_silent_connection_is_kept_until_the_client_leaves(start, port) -> None:
    import httpx

    config = f"server: {{http_listen_port: {port}, http_path_prefix: /p}}\n"
    running = start("pyroscope", "1.13.5", config)
    with pytest.raises(httpx.ReadTimeout):
        running.post("/p/querier.v1.QuerierService/LabelNames", json={}, timeout=0.5)
    assert running.get("/p/metrics").status_code == 200


def test_request_lines_keep_their_slashes() -> None:
    assert request_of("GET", "//ready?a=1", {}, b"").path == "//ready"
