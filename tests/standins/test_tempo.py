"""Tempo's stand-in: which routes answer under which prefix, readiness, and traces in and out."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import pytest

from lgtm_deploy.sandbox.standins.listener import Request
from lgtm_deploy.sandbox.standins.readiness import Readiness

T = TypeVar("T")
TRACE_ID = "5b8efff798038103d269b633813fc60c"


def config(port: int, otlp_port: int, *, prefix: str = "", api_prefix: str = "") -> str:
    return f"""
http_api_prefix: "{api_prefix}"
multitenancy_enabled: true
server:
  http_listen_port: {port}
  http_path_prefix: "{prefix}"
distributor:
  receivers: {{otlp: {{protocols: {{http: {{endpoint: "0.0.0.0:{otlp_port}"}}}}}}}}
"""


def push(run: str, trace_id: str = TRACE_ID) -> dict[str, object]:
    # The request of the OpenTelemetry protocol's example file, examples/trace.json, with a label of the run.
    now = time.time_ns()
    span = {
        "traceId": trace_id,
        "spanId": "eee19b7ec3c1b174",
        "name": "I'm a server span",
        "startTimeUnixNano": str(now - 5_000_000),
        "endTimeUnixNano": str(now),
        "kind": 2,
        "attributes": [{"key": "run", "value": {"stringValue": run}}],
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]}
    return {
        "resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "my.library"}, "spans": [span]}]}]
    }


def until(ask: Callable[[], T], fits: Callable[[T], bool]) -> T:
    """The first answer that fits, or the last of many."""
    deadline = time.monotonic() + 20
    while not fits(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize(
    ("version", "prefix", "api_prefix", "answers"),
    [
        ("2.3.1", "", "", {"/ready": 200, "/api/echo": 200, "/tempo/ready": 404, "/tempo/api/echo": 404}),
        ("2.3.1", "/tempo", "", {"/ready": 404, "/api/echo": 404, "/tempo/ready": 200, "/tempo/api/echo": 200}),
        (
            "2.9.0",
            "/tempo",
            "",
            {"/ready": 404, "/tempo/ready": 404, "/api/echo": 404, "/tempo/api/echo": 404, "/tempo/metrics": 200},
        ),
        ("2.9.0", "", "/tempo", {"/ready": 200, "/tempo/ready": 404, "/tempo/api/echo": 200, "/api/echo": 404}),
    ],
)
def test_a_prefix_moves_routes_as_the_version_does(
    start, port, other_port, *, version, prefix, api_prefix, answers
) -> None:
    tempo = start("tempo", version, config(port, other_port, prefix=prefix, api_prefix=api_prefix), tenant="demo")
    for ready in ("/ready", "/tempo/ready"):
        tempo.get(ready)  # the first probe of readiness is always 503
    assert {path: tempo.get(path).status_code for path in answers} == answers


def test_a_missing_route_and_an_unknown_id_have_different_bodies(start, port, other_port) -> None:
    tempo = start("tempo", "2.3.1", config(port, other_port), tenant="demo")
    missing, unknown = tempo.get("/nowhere"), tempo.get(f"/api/traces/{TRACE_ID}")
    assert (missing.status_code, missing.text) == (404, "404 page not found\n")
    assert (unknown.status_code, unknown.text) == (404, "")


def test_the_first_probe_of_readiness_starts_the_clock(start, port, other_port) -> None:
    tempo = start("tempo", "2.3.1", config(port, other_port, prefix="/tempo"), STANDIN_READY_SECONDS="0.4")
    assert tempo.get("/ready").status_code == 404
    time.sleep(0.5)  # a path that answers 404 never starts the clock
    assert tempo.get("/tempo/ready").status_code == 503
    ready = until(lambda: tempo.get("/tempo/ready"), lambda answer: answer.status_code == 200)
    assert ready.text.strip() == "ready"


def test_readiness_takes_its_seconds_from_the_first_probe_on() -> None:
    now, probe = [100.0], Request(method="GET", path="/ready")
    readiness = Readiness(seconds=15.0, now=lambda: now[0])
    answers = []
    for at in (100.0, 100.0, 114.9, 115.0):
        now[0] = at
        answers.append(readiness.answer(probe).status)
    assert answers == [503, 503, 503, 200]


def test_a_trace_is_found_by_id_at_once_and_by_search_when_idle(start, port, other_port) -> None:
    tempo = start(
        "tempo", "2.3.1", config(port, other_port, prefix="/tempo"), tenant="demo", STANDIN_SEARCH_SECONDS="2.5"
    )
    otlp = httpx.post(f"http://127.0.0.1:{other_port}/v1/traces", json=push("7"), headers={"X-Scope-OrgID": "demo"})
    assert (otlp.status_code, otlp.json()) == (200, {"partialSuccess": {}})
    query = {"q": '{ resource.service.name = "my.service" && span.run = "7" }'}
    assert tempo.get("/tempo/api/search", params=query).json()["traces"] == []
    batches = tempo.get(f"/tempo/api/traces/{TRACE_ID}").json()["batches"]
    span = batches[0]["scopeSpans"][0]["spans"][0]
    assert base64.b64decode(span["traceId"]).hex() == TRACE_ID
    (found,) = until(lambda: tempo.get("/tempo/api/search", params=query).json()["traces"], bool)
    assert (found["traceID"], found["rootServiceName"], found["durationMs"]) == (TRACE_ID, "my.service", 5)
    assert tempo.get("/tempo/api/search", params={"q": '{ .run = "8" }'}).json()["traces"] == []
    assert tempo.get("/tempo/api/search", params={"tags": "run=7"}).json()["traces"] != []
    assert tempo.get("/tempo/api/search/tags").json()["tagNames"] == ["name", "run", "service.name"]


def test_tenants_do_not_see_each_other_and_none_is_refused(start, port, other_port) -> None:
    tempo = start("tempo", "2.9.0", config(port, other_port))
    otlp = f"http://127.0.0.1:{other_port}/v1/traces"
    assert httpx.post(otlp, json=push("1")).status_code == 503
    assert httpx.post(otlp, json=push("1"), headers={"X-Scope-OrgID": "a"}).status_code == 200
    refused = tempo.get("/api/search")
    assert (refused.status_code, refused.text.strip()) == (401, "no org id")
    assert tempo.get(f"/api/traces/{TRACE_ID}", headers={"X-Scope-OrgID": "a"}).status_code == 200
    assert tempo.get(f"/api/traces/{TRACE_ID}", headers={"X-Scope-OrgID": "b"}).status_code == 404


def test_traces_cannot_be_written_through_the_query_port(start, port, other_port) -> None:
    tempo = start("tempo", "2.3.1", config(port, other_port), tenant="demo")
    assert tempo.post("/v1/traces", json=push("1")).status_code == 404


def test_a_malformed_trace_is_refused_and_the_server_lives(start, port, other_port) -> None:
    tempo = start("tempo", "2.3.1", config(port, other_port), tenant="demo")
    otlp = f"http://127.0.0.1:{other_port}/v1/traces"
    headers = {"X-Scope-OrgID": "demo"}
    for body in ({"resourceSpans": 3}, {}, push("1", trace_id="no hex")):
        assert httpx.post(otlp, json=body, headers=headers).status_code == 400
    assert tempo.get("/api/echo").text == "echo"


def test_sigterm_ends_it_at_once_with_exit_code_0(start, port, other_port) -> None:
    tempo = start("tempo", "2.3.1", config(port, other_port))
    begun = time.monotonic()
    code, log = tempo.stop()
    assert code == 0
    assert time.monotonic() - begun < 5
    assert 'msg="tempo started" version=2.3.1' in log
