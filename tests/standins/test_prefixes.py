"""Paths that answer under each prefix, by server and version: the table of the recordings' essentials."""

import pytest

from tests.standins.conftest import InProcess

PATH = "server: {http_path_prefix: /p}\n"
API = "http_api_prefix: /p\n"
TEMPO = "multitenancy_enabled: true\n"
SERIES = b'{"start":1799996400000,"end":1800000060000,"matchers":["{service_name=\\"a\\"}"],"labelNames":["run"]}'
QUERIER = "/querier.v1.QuerierService/Series"


@pytest.mark.parametrize(
    ("service", "version", "config", "statuses"),
    [
        ("tempo", "2.9.0", TEMPO, {"/ready": 503, "/api/echo": 200, "/p/api/echo": 404}),
        ("tempo", "2.9.0", TEMPO + API, {"/ready": 503, "/p/ready": 404, "/p/api/echo": 200, "/api/echo": 404}),
        ("tempo", "2.3.1", TEMPO + API, {"/ready": 503, "/p/api/search": 200, "/api/search": 404, "/metrics": 200}),
        ("tempo", "3.0.3", TEMPO + API, {"/ready": 200, "/p/api/status/buildinfo": 200, "/status/version": 200}),
        ("tempo", "2.9.0", TEMPO + PATH, {"/ready": 404, "/p/ready": 404, "/p/api/echo": 404, "/p/metrics": 200}),
        ("tempo", "3.0.3", TEMPO + PATH + API, {"/p/metrics": 200, "/p/p/api/echo": 404, "/p/api/echo": 404}),
        ("tempo", "2.3.1", TEMPO + PATH, {"/p/ready": 503, "/p/api/echo": 200, "/p/api/search": 500, "/ready": 404}),
        (
            "tempo",
            "2.3.1",
            TEMPO + PATH,
            {"/p/api/search/tags": 404, "/p/api/traces/5b8efff798038103d269b6338130": 500},
        ),
        ("tempo", "2.3.1", TEMPO + PATH + API, {"/p/p/api/echo": 200, "/p/p/api/search": 500, "/p/api/echo": 404}),
        ("loki", "3.5.1", PATH, {"/p/ready": 503, "/p/loki/api/v1/labels": 200, "/loki/api/v1/labels": 404}),
        ("loki", "3.5.1", PATH, {"/p/loki/api/v1/push": 404, "//ready": 301}),
        ("loki", "3.5.1", "", {"/loki/api/v1/push": 405}),
        ("mimir", "2.16.0", PATH, {"/p/prometheus/api/v1/labels": 200, "/p/api/v1/push": 404, "/metrics": 404}),
        ("pyroscope", "2.0.4", PATH, {"/p/api/v1/status/buildinfo": 404, "/p/pyroscope/render": 401, "/p/render": 404}),
        ("pyroscope", "2.0.4", PATH, {"/p/ingest": 404, f"/p{QUERIER}": 405, "/ingest": 404}),
        ("pyroscope", "1.13.5", PATH, {"/p/ingest": 405, "/p/ready": 503}),
    ],
)
def test_paths_answer_under_a_prefix_as_recorded(service, version, config, statuses) -> None:
    tenants = "" if config.startswith("multi") or service in {"loki", "mimir"} else TEMPO
    server = InProcess(service, version, config + tenants)
    tenant = None if service == "pyroscope" else "demo"
    server.clock.elapsed = 3.0
    assert {path: server.ask(path, tenant=tenant).status for path in statuses} == statuses


def test_a_profile_is_taken_under_the_prefix_by_pyroscope_2_and_refused_by_1() -> None:
    now = InProcess("pyroscope", "2.0.4", "").clock.wall()
    path = f"/p/ingest?name=own.cpu%7Brun%3D7%7D&from={int(now) - 10}&until={int(now)}"
    second = InProcess("pyroscope", "2.0.4", PATH)
    assert second.ask(path, b"a;b 10\n", content_type="text/plain").status == 200
    first = InProcess("pyroscope", "1.13.5", PATH)
    refused = first.ask(path, b"a;b 10\n", content_type="text/plain")
    assert (refused.status, b'"unimplemented"' in refused.body) == (501, True)
    assert first.ask("/p/ingest", b"a;b 1\n", content_type="text/plain").status == 400


def test_a_query_of_pyroscope_1_hangs_under_the_prefix() -> None:
    server = InProcess("pyroscope", "1.13.5", PATH)
    assert server.ask(f"/p{QUERIER}", SERIES).hangs
    assert server.ask("/p/querier.v1.QuerierService/LabelNames", b"{").status == 400


def test_the_otlp_receiver_stays_where_it_is() -> None:
    otlp = "distributor: {receivers: {otlp: {protocols: {http: {endpoint: '0.0.0.0:4318'}}}}}\n"
    server = InProcess("tempo", "2.9.0", TEMPO + API + otlp)
    assert server.ask("/v1/traces", b'{"resourceSpans":[]}', port=4318).body == b'{"partialSuccess":{}}'
    assert server.ask("/p/v1/traces", b"{}", port=4318).status == 404
    assert server.ask("/v1/traces", b"{}").status == 404
