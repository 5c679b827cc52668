"""What is written to each program for a round trip, and how it is read back. Times are in seconds since 1970."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.verify import loki as loki_reads
from lgtm_deploy.core.verify import mimir as mimir_reads
from lgtm_deploy.core.verify.check import JSON, Place
from lgtm_deploy.core.verify.prometheus import samples
from lgtm_deploy.core.verify.pyroscope import query
from lgtm_deploy.core.verify.round_trip import Reading, RoundTrip
from lgtm_deploy.core.verify.troubles import parsed

JOB = "lgtm-deploy-verify"
METRIC = "lgtm_deploy_verify"
PROFILED = "lgtm.verify"
WITHIN = 8.0
# [run] Pyroscope 2.0.4 in a container: the first query of written data took 20 s, and a request ends after 10 s.
FIRST_QUERY_WITHIN = 30.0
# Tempo: a trace is searchable once it was idle and cut (ingester.trace_idle_period). Recorded: 5 to 19 s.
SEARCH_WITHIN = 45.0
# Prometheus: remote write 1.0, "Protocol".
REMOTE_WRITE = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

Encode = Callable[[Mapping[str, str], float, float], bytes]


def grafana(place: Place, login: Mapping[str, str], run: str, now: float) -> RoundTrip:
    """An annotation, found by its tag and removed again (Grafana: "Annotations API")."""
    body = {"text": f"{JOB} {run}", "tags": [JOB, run], "time": int(now * 1000)}
    path = f"{place.prefix}/api/annotations"

    def found(reply: HttpResponse) -> bool:
        listed = parsed(reply)
        return any(run in _list(each.get("tags")) for each in _objects(listed))

    return RoundTrip(
        service=place.service,
        prefix=place.prefix,
        write=place.post(path, _json(body), {**JSON, **login}),
        accepted=lambda reply: reply.status == 200 and bool(_object(reply).get("id")),  # noqa: PLR2004 - HTTP OK
        readings=(
            Reading(
                name="annotation read",
                question=place.get(f"{path}?{urlencode({'tags': run, 'limit': 5})}", login),
                found=found,
                within=WITHIN,
            ),
        ),
        others=False,
        removal=lambda reply: place.question("DELETE", f"{path}/{_object(reply).get('id')}", headers=login),
    )


def mimir(place: Place, run: str, now: float, encode: Encode) -> RoundTrip:
    """A sample by remote write, found by an instant query (Mimir: HTTP API, "Remote write", "Instant query")."""
    body = encode({"__name__": METRIC, "job": JOB, "run": run}, 1.0, now)
    selector = f'{METRIC}{{run="{run}"}}'
    return RoundTrip(
        service=place.service,
        prefix=place.prefix,
        write=place.post(f"{place.prefix}/api/v1/push", body, REMOTE_WRITE),
        accepted=lambda reply: reply.status in (200, 202, 204) and not reply.body.lstrip().startswith("<"),
        readings=(
            Reading(
                name="read back",
                question=place.get(f"{place.prefix}{mimir_reads.API}/query?{urlencode({'query': selector})}"),
                found=lambda reply: any(_label(each.get("metric")) == run for each in _objects(samples(reply))),
                within=WITHIN,
            ),
        ),
    )


def loki(place: Place, run: str, now: float) -> RoundTrip:
    """A line, found by its text (Loki: HTTP API, "Ingest logs": 204; "Query logs within a range of time"). Its stream
    is the same for every run: streams are dear to Loki."""
    at = int(now * 1000) * 10**6
    body = {"streams": [{"stream": {"job": JOB}, "values": [[str(at), f"run={run}"]]}]}
    asked = {"query": f'{{job="{JOB}"}} |= "{run}"', "start": at - 60 * 10**9, "end": at + 60 * 10**9, "limit": 5}
    api = f"{place.prefix}{loki_reads.API}"

    def found(reply: HttpResponse) -> bool:
        return any(run in str(_list(each.get("values"))) for each in _objects(samples(reply)))

    return RoundTrip(
        service=place.service,
        prefix=place.prefix,
        write=place.post(f"{api}/push", _json(body), JSON),
        accepted=lambda reply: reply.status == 204,  # noqa: PLR2004 - No Content, as Loki's API has it
        readings=(
            Reading(
                name="read back",
                question=place.get(f"{api}/query_range?{urlencode(asked)}"),
                found=found,
                within=WITHIN,
            ),
        ),
    )


def tempo(place: Place, traces: Place, run: str, now: float) -> RoundTrip:
    """A span by OTLP/HTTP, found by its trace's id and by search (OpenTelemetry: OTLP 1.x, "JSON Protobuf Encoding":
    ids are hex; Tempo: HTTP API, "Query", "Search"). `run` is 32 hex digits, and the trace's id."""
    start = int(now * 1000) * 10**6
    attributes = [{"key": "run", "value": {"stringValue": run}}]
    span = {
        "traceId": run,
        "spanId": run[:16],
        "name": "verify",
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 10**6),
        "attributes": attributes,
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": JOB}}]}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": JOB}, "spans": [span]}]}]}
    search = urlencode({"q": f'{{.run="{run}"}}', "limit": 5})

    def by_id(reply: HttpResponse) -> bool:
        content = _object(reply)
        return reply.status == 200 and bool(content.get("batches") or content.get("trace"))  # noqa: PLR2004 - HTTP OK

    def by_search(reply: HttpResponse) -> bool:
        ids = [str(each.get("traceID", "")) for each in _objects(_object(reply).get("traces"))]
        return run.lstrip("0") in [each.lstrip("0") for each in ids]

    return RoundTrip(
        service=place.service,
        prefix=place.prefix,
        write=traces.post(traces.prefix, _json(body), JSON),
        accepted=_taken,
        readings=(
            Reading(
                name="read by id",
                question=place.get(f"{place.prefix}/api/traces/{run}", {"Accept": "application/json"}),
                found=by_id,
                within=WITHIN,
            ),
            Reading(
                name="found by search",
                question=place.get(f"{place.prefix}/api/search?{search}"),
                found=by_search,
                within=SEARCH_WITHIN,
                needed=False,
            ),
        ),
    )


def pyroscope(place: Place, run: str, now: float) -> RoundTrip:
    """Folded stacks, found by their series (Pyroscope: "Server HTTP API", /ingest and QuerierService/Series).

    Recorded (pyroscope-2.0.4-plain.json): /ingest stores a label value as it is sent, quotes included. What follows
    the last dot of the name is the profile type. A query without `service_name` sees a profile only after compaction.
    """
    name = f"{PROFILED}.cpu{{run={run}}}"
    matcher = f'{{service_name="{PROFILED}",run="{run}"}}'
    arguments = urlencode({"name": name, "from": int(now) - 10, "until": int(now)}, quote_via=quote)

    def found(reply: HttpResponse) -> bool:
        sets = _objects(_object(reply).get("labelsSet"))
        return any(run == label.get("value") for each in sets for label in _objects(each.get("labels")))

    return RoundTrip(
        service=place.service,
        prefix=place.prefix,
        write=place.post(f"{place.prefix}/ingest?{arguments}", b"main;verify 10\n", {"Content-Type": "text/plain"}),
        accepted=lambda reply: reply.status == 200 and not reply.body.lstrip().startswith("<"),  # noqa: PLR2004 - OK
        readings=(
            Reading(
                name="read back",
                question=query(place, "Series", now, matchers=[matcher], labelNames=["run"]),
                found=found,
                within=FIRST_QUERY_WITHIN,
            ),
        ),
    )


def traces_place(place: Place, url: str) -> Place:
    """Where spans are written to: a URL with or without the path /v1/traces, which becomes the place's prefix."""
    base = url.rstrip("/").removesuffix("/v1/traces")
    return Place(service=place.service, url=base, tenant=place.tenant, prefix="/v1/traces", seconds=place.seconds)


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _object(reply: HttpResponse) -> dict[str, Any]:
    content = parsed(reply)
    return content if isinstance(content, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]


def _label(labels: Any) -> Any:
    return labels.get("run") if isinstance(labels, dict) else None


def _taken(reply: HttpResponse) -> bool:
    """OTLP 1.x, "Partial Success": what was rejected is counted, in protobuf's JSON as a string."""
    content = parsed(reply)
    if reply.status != 200 or not isinstance(content, dict):  # noqa: PLR2004 - HTTP OK
        return False
    partial = content.get("partialSuccess")
    return not isinstance(partial, dict) or str(partial.get("rejectedSpans") or 0) == "0"
