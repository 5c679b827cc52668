"""Pyroscope's stand-in: a prefix that works through, one that only looks so, and profiles in and out."""

from __future__ import annotations

import time

import pytest

FOLDED = b"main;handle;parse 10\nmain;handle;render 30\nmain;idle 2\n"
NAMES = "/querier.v1.QuerierService/LabelNames"


def config(port: int, *, prefix: str = "", layer: str = "v2", tenants: bool = True) -> str:
    architecture = f"architecture_storage: {layer}" if layer else ""
    return f"""
multitenancy_enabled: {str(tenants).lower()}
{architecture}
server: {{http_listen_port: {port}, http_path_prefix: "{prefix}"}}
self_profiling: {{disable_push: true}}
"""


def ingest(pyroscope, path: str, run: str = "1", **options):
    now = int(time.time())
    given = {"name": f'app.cpu{{run="{run}"}}', "from": str(now - 10), "until": str(now)}
    return pyroscope.post(path, params=given, content=FOLDED, **options)


def test_the_prefix_moves_every_route_where_internal_calls_are_grpc(start, port) -> None:
    pyroscope = start("pyroscope", "2.0.4", config(port, prefix="/pyroscope"), tenant="demo")
    pyroscope.get("/pyroscope/ready")
    assert pyroscope.get("/pyroscope/ready").text == "ready\n"
    assert pyroscope.get("/ready").status_code == 404
    assert ingest(pyroscope, "/ingest").status_code == 404
    assert ingest(pyroscope, "/pyroscope/ingest").status_code == 200
    names = pyroscope.post(f"/pyroscope{NAMES}", json={}).json()["names"]
    assert {"run", "service_name", "__profile_type__"} <= set(names)
    assert pyroscope.post(NAMES, json={}).status_code == 404


@pytest.mark.parametrize(("version", "layer"), [("1.13.5", ""), ("2.0.4", "v1")])
def test_the_prefix_is_a_false_green_where_the_ring_is_dialed_over_http(start, port, version, layer) -> None:
    pyroscope = start("pyroscope", version, config(port, prefix="/pyroscope", layer=layer), tenant="demo")
    pyroscope.get("/pyroscope/ready")
    assert pyroscope.get("/pyroscope/ready").status_code == 200
    assert ingest(pyroscope, "/pyroscope/ingest").status_code == 404
    assert pyroscope.post(f"/pyroscope{NAMES}", json={}).status_code == 404
    assert ingest(pyroscope, "/ingest").status_code == 404
    _, log = pyroscope.stop()
    assert 'msg="error contacting scheduler"' in log
    assert "404 Not Found" in log


def test_1_13_5_without_a_prefix_works(start, port) -> None:
    pyroscope = start("pyroscope", "1.13.5", config(port, layer=""), tenant="demo")
    assert ingest(pyroscope, "/ingest").status_code == 200
    assert ingest(pyroscope, "/pyroscope/ingest").status_code == 200
    assert "run" in pyroscope.post(NAMES, json={}).json()["names"]
    assert pyroscope.get("/pyroscope/label-values", params={"label": "run"}).json() == ["1"]


def test_ingest_without_a_name_says_that_the_route_works(start, port) -> None:
    pyroscope = start("pyroscope", "2.0.4", config(port), tenant="demo")
    assert pyroscope.post("/ingest", content=FOLDED).status_code == 400


def test_what_was_ingested_is_rendered(start, port) -> None:
    pyroscope = start("pyroscope", "2.0.4", config(port), tenant="demo")
    ingest(pyroscope, "/ingest", run="1")
    ingest(pyroscope, "/ingest", run="2")
    answer = pyroscope.get(
        "/pyroscope/render", params={"query": 'app.cpu{run="1"}', "from": "now-1h", "format": "json"}
    )
    graph = answer.json()["flamebearer"]
    assert graph["numTicks"] == 42
    assert graph["maxSelf"] == 30
    assert set(graph["names"]) == {"total", "main", "handle", "parse", "render", "idle"}
    assert graph["levels"][0] == [0, 42, 0, 0]


def test_the_querier_merges_stacks_by_selector(start, port) -> None:
    pyroscope = start("pyroscope", "2.0.4", config(port), tenant="demo")
    ingest(pyroscope, "/ingest", run="1")
    now = int(time.time() * 1000)
    asked = {
        "profileTypeID": "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
        "labelSelector": '{service_name="app", run="1"}',
        "start": now - 3_600_000,
        "end": now + 1000,
    }
    method = "/querier.v1.QuerierService/SelectMergeStacktraces"
    assert pyroscope.post(method, json=asked).json()["flamegraph"]["total"] == "42"
    assert pyroscope.post(method, json=asked | {"labelSelector": '{run="9"}'}).json()["flamegraph"]["total"] == "0"
    types = pyroscope.post("/querier.v1.QuerierService/ProfileTypes", json={}).json()["profileTypes"]
    assert [one["ID"] for one in types] == ["process_cpu:cpu:nanoseconds:cpu:nanoseconds"]


def test_tenants_do_not_see_each_other_and_none_is_refused(start, port) -> None:
    pyroscope = start("pyroscope", "2.0.4", config(port))
    assert ingest(pyroscope, "/ingest").status_code == 401
    assert ingest(pyroscope, "/ingest", headers={"X-Scope-OrgID": "a"}).status_code == 200
    refused = pyroscope.post(NAMES, json={})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert pyroscope.post(NAMES, json={}, headers={"X-Scope-OrgID": "b"}).json() == {"names": []}


def test_malformed_input_is_refused_and_the_server_lives(start, port) -> None:
    pyroscope = start("pyroscope", "2.0.4", config(port, tenants=False))
    assert pyroscope.post("/ingest", params={"name": "app.cpu{"}, content=FOLDED).status_code == 400
    assert pyroscope.post("/ingest", params={"name": "app.cpu"}, content=b"no number\n").status_code == 400
    assert (
        pyroscope.post("/ingest", params={"name": "app.cpu", "until": "yesterday"}, content=FOLDED).status_code == 400
    )
    assert pyroscope.post(NAMES, content=b"{", headers={"content-type": "application/json"}).status_code == 400
    assert ingest(pyroscope, "/ingest").status_code == 200
