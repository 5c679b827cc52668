"""Records that are written and read back, by tenant; with IDs that no recording holds."""

import json
from urllib.parse import urlencode

import pytest

from lgtm_deploy.core.verify import writes
from lgtm_deploy.core.verify.check import Place
from lgtm_deploy.steps.verification.remote_write import encode
from tests.standins.conftest import NOW, InProcess

RUN = "5b8efff798038103d269b633813fc60c"
OTLP = "distributor: {receivers: {otlp: {protocols: {http: {endpoint: '0.0.0.0:4318'}}}}}\n"
TENANTS = "multitenancy_enabled: true\n"


def place(name: str, prefix: str = "") -> Place:
    return Place(service=name, url="", tenant="demo", prefix=prefix)


def tempo(version: str, config: str = "", prefix: str = "") -> tuple[InProcess, str]:
    server = InProcess("tempo", version, OTLP + TENANTS + config)
    trip = writes.tempo(place("tempo", prefix), place("tempo", "/v1/traces"), RUN, NOW)
    assert server.ask(trip.write.url, trip.write.body, port=4318).status == 200
    return server, trip.readings[1].question.url


@pytest.mark.parametrize("version", ["2.3.1", "2.9.0", "3.0.3"])
def test_a_span_is_read_by_id_at_once_and_found_by_search_later(version: str) -> None:
    server, search = tempo(version)
    found = json.loads(server.ask(f"/api/traces/{RUN}").body)
    span = found["batches"][0]["scopeSpans"][0]["spans"][0]
    assert (span["name"], span["traceId"]) == ("verify", "W47/95gDgQPSabYzgT/GDA==")
    assert json.loads(server.ask(search).body)["traces"] == []
    server.clock.elapsed += 20.0
    traces = json.loads(server.ask(search).body)
    assert [each["traceID"] for each in traces["traces"]] == [RUN]
    assert traces["metrics"]["completedJobs"]
    assert server.ask(f"/api/traces/{RUN}", tenant="another").status == 404
    assert json.loads(server.ask(search, tenant="another").body)["traces"] == []


def test_a_longer_idle_period_hides_a_span_for_longer() -> None:
    server, search = tempo("2.9.0", "ingester: {trace_idle_period: 30s}\n")
    server.clock.elapsed += 20.0
    assert json.loads(server.ask(search).body)["traces"] == []
    server.clock.elapsed += 15.0
    assert json.loads(server.ask(search).body)["traces"]


def test_reads_of_tempo_2_3_1_fail_under_a_path_prefix_whatever_the_id() -> None:
    server, search = tempo("2.3.1", "server: {http_path_prefix: /tempo}\n", "/tempo")
    assert server.ask(search).body == b"upstream: (404) 404 page not found\n"
    assert server.ask(f"/tempo/api/traces/{RUN}").status == 500


@pytest.mark.parametrize("prefix", ["", "/logs"])
def test_a_line_is_found_at_once(prefix: str) -> None:
    server = InProcess("loki", "3.5.1", f'server: {{http_path_prefix: "{prefix}"}}\n')
    trip = writes.loki(place("loki", prefix), RUN, NOW)
    assert server.ask(trip.write.url, trip.write.body).status == 204
    [stream] = json.loads(server.ask(trip.readings[0].question.url).body)["data"]["result"]
    assert stream["values"][0][1] == f"run={RUN}"
    assert stream["stream"]["service_name"] == "lgtm-deploy-verify"
    nothing = json.loads(server.ask(trip.readings[0].question.url, tenant="another").body)["data"]
    assert nothing["result"] == []
    assert "summary" in nothing["stats"]
    labels = f"{prefix}/loki/api/v1/labels"
    assert json.loads(server.ask(labels).body)["data"] == ["job", "service_name"]
    assert json.loads(server.ask(labels, tenant="another").body) == {"status": "success"}


def test_a_sample_is_found_at_once_and_refused_when_it_is_older_than_the_last() -> None:
    server = InProcess("mimir", "2.16.0", "")
    trip = writes.mimir(place("mimir"), RUN, NOW, encode)
    headers = {name.replace("-", "_"): value for name, value in trip.write.headers.items()}
    headers = {name.lower(): value for name, value in headers.items() if name != "X_Scope_OrgID"}
    assert server.ask(trip.write.url, trip.write.body, **headers).status == 200
    [found] = json.loads(server.ask(trip.readings[0].question.url).body)["data"]["result"]
    assert found["metric"]["run"] == RUN
    assert json.loads(server.ask(trip.readings[0].question.url, tenant="another").body)["data"]["result"] == []
    older = writes.mimir(place("mimir"), RUN, NOW - 60, encode).write.body
    refused = server.ask(trip.write.url, older, **headers)
    assert (refused.status, b"out-of-order samples" in refused.body) == (400, True)
    query = urlencode({"query": "lgtm_deploy_verify", "start": NOW - 60, "end": NOW + 60, "step": 30})
    [series] = json.loads(server.ask(f"/prometheus/api/v1/query_range?{query}").body)["data"]["result"]
    assert [value for _, value in series["values"]] == ["1", "1", "1"]


def series(selector: str) -> bytes:
    start, end = int((NOW - 3600) * 1000), int((NOW + 60) * 1000)
    return json.dumps({"start": start, "end": end, "matchers": [selector], "labelNames": ["run"]}).encode()


@pytest.mark.parametrize("version", ["1.13.5", "2.0.4"])
def test_a_profile_is_found_with_its_service_name(version: str) -> None:
    server = InProcess("pyroscope", version, TENANTS)
    arguments = urlencode({"name": f"own.cpu{{run={RUN}}}", "from": int(NOW) - 10, "until": int(NOW)})
    assert server.ask(f"/ingest?{arguments}", b"main;verify 10\n", content_type="text/plain").status == 200
    path = "/querier.v1.QuerierService/Series"
    wanted = [{"labels": [{"name": "run", "value": RUN}]}]
    assert json.loads(server.ask(path, series(f'{{service_name="own",run="{RUN}"}}')).body) == {"labelsSet": wanted}
    assert server.ask(path, series('{service_name="own"}'), tenant="another").body == b"{}"
    # 2.0.4 sees a profile without the name of its service only once its segment is compacted.
    bare = server.ask(path, series(f'{{run="{RUN}"}}')).body
    assert bare == b"{}" if version == "2.0.4" else json.loads(bare) == {"labelsSet": wanted}


def test_a_label_value_keeps_its_quotes() -> None:
    server = InProcess("pyroscope", "2.0.4", TENANTS)
    arguments = urlencode({"name": f'own.cpu{{run="{RUN}"}}', "from": int(NOW) - 10, "until": int(NOW)})
    assert server.ask(f"/ingest?{arguments}", b"main;verify 10\n", content_type="text/plain").status == 200
    path = "/querier.v1.QuerierService/Series"
    assert server.ask(path, series(f'{{service_name="own",run="{RUN}"}}')).body == b"{}"
    quoted = json.dumps(f'"{RUN}"')
    assert RUN in server.ask(path, series(f'{{service_name="own",run={quoted}}}')).body.decode()


def test_two_tenants_are_read_together_by_those_servers_that_join_them() -> None:
    server, _ = tempo("2.9.0")
    assert server.ask(f"/api/traces/{RUN}", tenant="demo|another").status == 200
    older, _ = tempo("2.3.1")
    assert older.ask(f"/api/traces/{RUN}", tenant="demo|another").status == 404


def test_without_multitenancy_everybody_reads_all() -> None:
    server = InProcess("loki", "3.5.1", "auth_enabled: false\n")
    trip = writes.loki(place("loki"), RUN, NOW)
    assert server.ask(trip.write.url, trip.write.body, tenant=None).status == 204
    for tenant in (None, "demo", "a/b"):
        assert RUN in server.ask(trip.readings[0].question.url, tenant=tenant).body.decode()


@pytest.mark.parametrize(
    ("service", "version", "config", "path"),
    [
        ("tempo", "2.9.0", TENANTS, "/api/search"),
        ("loki", "3.5.1", "", "/loki/api/v1/labels"),
        ("mimir", "2.16.0", "", "/prometheus/api/v1/labels"),
        ("pyroscope", "2.0.4", TENANTS, "/pyroscope/render?query=x"),
    ],
)
def test_a_tenant_is_needed(service, version, config, path) -> None:
    answer = InProcess(service, version, config).ask(path, tenant=None)
    assert (answer.status, "no org id" in answer.body.decode()) == (401, True)
