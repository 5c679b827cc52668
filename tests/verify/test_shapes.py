"""Requests and answers as the vendors document them: what is sent fits, and what comes back is understood.

Each example is from the page that it names; times, ids and names of the examples are replaced by ours.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import cramjam
import pytest

from lgtm_deploy.core.ports import HttpRequest, HttpResponse
from lgtm_deploy.core.verify import writes
from lgtm_deploy.core.verify.check import Place
from lgtm_deploy.core.verify.round_trip import RoundTrip, judge_write
from lgtm_deploy.sandbox.standins.metrics import decoded
from lgtm_deploy.steps.verification.remote_write import encode

RUN = "5b8efff798038103d269b633813fc60c"
NOW = 1_700_000_000.25


def place(name: str, prefix: str = "") -> Place:
    return Place(service=name, url="http://lb", tenant="demo", prefix=prefix)


TEMPO = place("tempo", "/tempo")
TRIPS: dict[str, RoundTrip] = {
    "grafana": writes.grafana(place("grafana"), {"Authorization": "Basic x"}, RUN, NOW),
    "mimir": writes.mimir(place("mimir"), RUN, NOW, encode),
    "loki": writes.loki(place("loki"), RUN, NOW),
    "tempo": writes.tempo(TEMPO, writes.traces_place(TEMPO, "http://collector:4318"), RUN, NOW),
    "pyroscope": writes.pyroscope(place("pyroscope", "/pyroscope"), RUN, NOW),
}


def shape(value: object) -> object:
    """Keys and kinds, without the values."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


# Grafana docs, developers/http_api/annotations, "Create Annotation" (without the optional panel and end of a region).
ANNOTATION = {"time": 1507037197339, "tags": ["tag1", "tag2"], "text": "Annotation Description"}
# Loki docs, reference/loki-http-api, "Ingest logs", example: `foo=bar2`, "fizzbuzz" (with our label).
PUSH = {"streams": [{"stream": {"job": "bar2"}, "values": [["1570818238000000000", "fizzbuzz"]]}]}
# OpenTelemetry, opentelemetry-proto examples/trace.json (ids are hex, times are strings of nanoseconds).
TRACE = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
            "scopeSpans": [
                {
                    "scope": {"name": "my.library"},
                    "spans": [
                        {
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "EEE19B7EC3C1B174",
                            "name": "I'm a server span",
                            "kind": 2,
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": "1544712661000000000",
                            "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}],
                        }
                    ],
                }
            ],
        }
    ]
}


@pytest.mark.parametrize(("name", "documented"), [("grafana", ANNOTATION), ("loki", PUSH), ("tempo", TRACE)])
def test_what_is_sent_has_the_documented_shape(name: str, documented: object) -> None:
    assert shape(json.loads(TRIPS[name].write.body)) == shape(documented)
    assert TRIPS[name].write.headers["Content-Type"] == "application/json"
    assert TRIPS[name].write.method == "POST"


def test_ids_and_times_are_those_of_the_run() -> None:
    [span] = json.loads(TRIPS["tempo"].write.body)["resourceSpans"][0]["scopeSpans"][0]["spans"]

    assert (span["traceId"], len(span["spanId"])) == (RUN, 16)
    assert span["startTimeUnixNano"] == "1700000000250000000"
    assert json.loads(TRIPS["loki"].write.body)["streams"][0]["values"][0][0] == "1700000000250000000"
    assert json.loads(TRIPS["grafana"].write.body)["time"] == 1_700_000_000_250


def test_a_remote_write_is_what_the_specification_says() -> None:
    """Prometheus, remote write 1.0: headers; labels sorted by name; timestamps in milliseconds."""
    question = TRIPS["mimir"].write

    [(labels, samples)] = decoded(question.body)
    assert dict(labels) == {"__name__": "lgtm_deploy_verify", "job": "lgtm-deploy-verify", "run": RUN}
    assert samples == {NOW: 1.0}
    assert bytes(cramjam.snappy.decompress_raw(question.body)).startswith(b"\x0a")
    assert question.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert question.headers["Content-Encoding"] == "snappy"
    assert question.headers["Content-Type"] == "application/x-protobuf"


def test_an_upload_of_a_profile_names_itself_and_its_time() -> None:
    """Pyroscope docs, reference-server-api, /ingest: name, from, until; the body is folded stacks."""
    question = TRIPS["pyroscope"].write
    given = parse_qs(urlsplit(question.url).query)

    assert given == {
        "name": [f"lgtm.verify.cpu{{run={RUN}}}"],
        "from": ["1699999990"],
        "until": ["1700000000"],
    }
    assert question.body == b"main;verify 10\n"


@dataclass(frozen=True, kw_only=True)
class Documented:
    """An answer of the documents that shows the record, and one that does not."""

    name: str
    there: str
    missing: str
    reading: int = 0


ANSWERS = (
    # Grafana docs, "Find Annotations".
    Documented(
        name="grafana",
        there=json.dumps([{"id": 1124, "dashboardUID": "", "time": 1507266395000, "text": "test", "tags": [RUN]}]),
        missing="[]",
    ),
    # Prometheus docs, querying/api, "Instant queries".
    Documented(
        name="mimir",
        there=json.dumps(
            {
                "status": "success",
                "data": {
                    "resultType": "vector",
                    "result": [{"metric": {"__name__": "up", "run": RUN}, "value": [1435781451.781, "1"]}],
                },
            }
        ),
        missing='{"status":"success","data":{"resultType":"vector","result":[]}}',
    ),
    # Loki docs, "Query logs within a range of time".
    Documented(
        name="loki",
        there=json.dumps(
            {
                "status": "success",
                "data": {
                    "resultType": "streams",
                    "result": [{"stream": {"filename": "x"}, "values": [["1569266497240578000", f"run={RUN}"]]}],
                    "stats": {},
                },
            }
        ),
        missing='{"status":"success","data":{"resultType":"streams","result":[],"stats":{}}}',
    ),
    # Tempo docs, api_docs, "Query": OTLP as JSON; `batches` in API v1, `trace.resourceSpans` in v2.
    Documented(name="tempo", there='{"batches":[{"resource":{},"scopeSpans":[]}]}', missing="{}"),
    # Tempo docs, api_docs, "Search": leading zeros of an id are left out.
    Documented(
        name="tempo",
        reading=1,
        there=json.dumps({"traces": [{"traceID": RUN, "rootServiceName": "tempo-querier"}], "metrics": {}}),
        missing='{"metrics":{}}',
    ),
    # Pyroscope, api/querier/v1/querier.proto SeriesResponse, as protobuf's JSON.
    Documented(
        name="pyroscope",
        there=json.dumps({"labelsSet": [{"labels": [{"name": "run", "value": RUN}]}]}),
        missing="{}",
    ),
)


# JSON of no use, which must not be stumbled over.
ODD = (
    '{"labelsSet":[1,{"labels":[1]},{"labels":{}}],"traces":[1,{"traceID":{}}],"batches":[],"trace":null}',
    '{"status":"success","data":{"result":[1,{"metric":[]},{"values":{}},{"values":[1]}]}}',
    '{"status":"success","data":{"result":{}}}',
    '[1,{"tags":1},{"tags":[1]}]',
)


@pytest.mark.parametrize("known", ANSWERS, ids=lambda known: f"{known.name} {known.reading}")
def test_documented_answers_are_understood(known: Documented) -> None:
    reading = TRIPS[known.name].readings[known.reading]

    assert reading.found(HttpResponse(status=200, body=known.there))
    for nothing in (
        known.missing,
        "",
        "null",
        "[]",
        "<html>",
        *ODD,
        '{"status":"success"}',
        known.there[:-9],
        '[1, "x"]',
    ):
        assert not reading.found(HttpResponse(status=200, body=nothing))


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("grafana", 200, '{"message":"Annotation added","id":1}'),
        ("mimir", 200, ""),
        ("loki", 204, ""),
        ("tempo", 200, '{"partialSuccess":{}}'),
        ("tempo", 200, "{}"),
        ("pyroscope", 200, ""),
    ],
)
def test_documented_acceptances_are_understood(name: str, status: int, body: str) -> None:
    assert judge_write(TRIPS[name], HttpResponse(status=status, body=body)).level == "ok"


@pytest.mark.parametrize("name", TRIPS)
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html><title>Grafana</title></html>"), (302, ""), (400, "bad"), (404, "404 page not found\n"), (500, "")],
)
def test_what_is_no_acceptance_is_none(name: str, status: int, body: str) -> None:
    judgement = judge_write(TRIPS[name], HttpResponse(status=status, body=body))

    assert judgement.level in ("failed", "degraded")
    assert judgement.means


def test_where_spans_go_may_be_said_with_and_without_the_path() -> None:
    urls: list[Callable[[], HttpRequest]] = [
        lambda url=url: writes.traces_place(TEMPO, url).post("/v1/traces", b"", {})  # type: ignore[misc]
        for url in ("http://c:4318", "http://c:4318/", "http://c:4318/v1/traces")
    ]
    assert {make().url for make in urls} == {"http://c:4318/v1/traces"}
