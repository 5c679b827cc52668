"""The traces that a Tempo stand-in was sent: by id at once, by search once they are cut."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from . import protobuf
from .listener import Request, Response, document

WEEK_SECONDS = 7 * 24 * 3600
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_CONDITION = re.compile(r'\s*(resource\.|span\.|\.)?([\w.]+)\s*=\s*"([^"]*)"\s*')

Span = dict[str, Any]


class TraceStore:
    """Spans by tenant."""

    def __init__(self, version: str, config: Mapping[str, Any]) -> None:
        self._version = version
        # `search, last look` of tempo-*-plain and -stop-after-a-round-trip, with trace_idle_period 10 s: 2.3.1 after
        # 4 to 5.1 s, 2.9.0 after 10.1 to 18.5 s, 3.0.3 after 10.1 s. A longer idle period adds to it [run].
        self._delay = 3.9 if version == "2.3.1" else 10.0
        idle = str((config.get("ingester") or {}).get("trace_idle_period") or "10s").removesuffix("s")
        self._delay += max(0.0, float(idle) - 10.0) if idle.replace(".", "").isdigit() else 0.0
        self._spans: list[Span] = []

    def write(self, request: Request, tenant: str, at: float) -> None:
        """Keep the spans of an OTLP request. Raises ValueError where it is none."""
        binary = "protobuf" in request.header("content-type")
        for span in _from_protobuf(request.content()) if binary else _from_json(request.json()):
            kept = {**span, "tenant": tenant, "at": at}
            if not any({**each, "at": at} == kept for each in self._spans):
                self._spans.append(kept)

    def view(self, request: Request, tenants: tuple[str, ...], at: float, now: float) -> Response | None:
        """Answer a read; None where it is none, or is not understood."""
        del now
        if found := re.fullmatch(r"/api(/v2)?/traces/([0-9a-fA-F]{1,32})", request.path):
            return self._by_id(found[2].lower().rjust(32, "0"), tenants, v2=bool(found[1]))
        if not request.path.startswith(("/api/search", "/api/v2/search")):
            return None
        spans = [each for each in self._of(tenants) if each["at"] + self._delay <= at]
        if request.path == "/api/search":
            return self._search(request, spans)
        return _tags(request.path, spans)

    def _of(self, tenants: tuple[str, ...]) -> list[Span]:
        return [each for each in self._spans if each["tenant"] in tenants]

    def _by_id(self, trace: str, tenants: tuple[str, ...], *, v2: bool) -> Response | None:
        batches = [
            {"resource": each["resource"], "scopeSpans": [{"scope": each["scope"], "spans": [each["span"]]}]}
            for each in self._of(tenants)
            if each["trace"] == trace
        ]
        if not batches:
            # A trace that is not there (every file: `by id, abc`) is played.
            return Response(status=404, kind="")
        return document({"trace": {"resourceSpans": batches}} if v2 else {"batches": batches})

    def _search(self, request: Request, spans: list[Span]) -> Response | None:
        start, end = request.argument("start", "0"), request.argument("end", "0")
        limit = request.argument("limit", "20")
        if not (start.isdigit() and end.isdigit() and limit.isdigit() and int(limit)):
            return None
        if int(start) and not 0 < int(end) - int(start) <= WEEK_SECONDS:
            return None
        wanted = _conditions(request)
        if wanted is None:
            return None
        traces: dict[str, list[Span]] = {}
        for each in spans:
            pairs = {(scope, key): value for scope, key, value in _attributes(each)}
            if all(any(pairs.get((at, key)) == value for at in _scopes(scope)) for scope, key, value in wanted):
                traces.setdefault(each["trace"], []).append(each)
        shown = [self._describe(trace, found, request, wanted) for trace, found in traces.items()]
        shown.sort(key=lambda each: str(each["startTimeUnixNano"]), reverse=True)
        return document({"traces": shown[: int(limit)]})

    def _describe(
        self, trace: str, spans: list[Span], request: Request, wanted: list[tuple[str, str, str]]
    ) -> dict[str, Any]:
        starts = [int(each["span"]["startTimeUnixNano"]) for each in spans]
        ends = [int(each["span"]["endTimeUnixNano"]) for each in spans]
        service = {key: value for scope, key, value in _attributes(spans[0]) if scope == "resource."}
        shown: dict[str, Any] = {
            "traceID": trace.lstrip("0"),
            "rootServiceName": service.get("service.name", ""),
            "rootTraceName": spans[0]["span"]["name"],
            "startTimeUnixNano": str(min(starts)),
            "durationMs": (max(ends) - min(starts)) // 10**6,
        }
        if request.argument("q"):
            matched = {"spans": [_matched(each, wanted) for each in spans], "matched": len(spans)}
            shown |= {"spanSet": matched, "spanSets": [matched]}
            if self._version != "2.3.1":
                shown["serviceStats"] = {shown["rootServiceName"]: {"spanCount": len(spans)}}
        return shown


def _tags(path: str, spans: list[Span]) -> Response | None:
    """Answer for the names and values of attributes; None where there are none, or the path is another one."""
    pairs = [each for span in spans for each in _attributes(span) if each[0]]
    values = re.fullmatch(r"/api(/v2)?/search/tag/(resource\.|span\.|\.)?([\w.]+)/values", path)
    if not pairs:
        # An empty list has another shape in 2.3.1: the recorded one is played.
        return Response(status=404, kind="")
    if path == "/api/search/tags":
        return document({"tagNames": sorted({key for _, key, _ in pairs})})
    if path == "/api/v2/search/tags":
        scopes = [(scope, sorted({key for at, key, _ in pairs if at == scope})) for scope in ("span.", "resource.")]
        return document({"scopes": [{"name": scope[:-1], "tags": tags} for scope, tags in scopes if tags]})
    if values is None or (values[1] and not values[2]):
        return None
    found = sorted({value for at, key, value in pairs if key == values[3] and at in _scopes(values[2] or ".")})
    return document({"tagValues": [{"type": "string", "value": each} for each in found] if values[1] else found})


def _conditions(request: Request) -> list[tuple[str, str, str]] | None:
    """Return (scope, key, value) of what a search asks for; None where it is not TraceQL as it is understood here."""
    query = request.argument("q").strip()
    if not query:
        return [(".", *pair.split("=", 1)) for pair in request.argument("tags").split() if "=" in pair]  # type: ignore[misc]
    if not (query.startswith("{") and query.endswith("}")):
        return None
    found = []
    for part in filter(str.strip, query[1:-1].split("&&")):
        condition = _CONDITION.fullmatch(part)
        if condition is None:
            return None
        found.append((condition[1] or "", condition[2], condition[3]))
    return found


def _scopes(scope: str) -> tuple[str, ...]:
    return ("span.", "resource.") if scope == "." else (scope,)


def _attributes(span: Span) -> list[tuple[str, str, str]]:
    found = [("", "name", str(span["span"]["name"]))]
    for scope, owner in (("resource.", span["resource"]), ("span.", span["span"])):
        for each in owner.get("attributes", []):
            found.append((scope, each["key"], str(next(iter(each.get("value", {}).values()), ""))))
    return found


def _matched(span: Span, wanted: list[tuple[str, str, str]]) -> dict[str, Any]:
    shown = {"spanID": base64.b64decode(span["span"]["spanId"]).hex()}
    if any(scope == "" for scope, _, _ in wanted):
        shown["name"] = span["span"]["name"]
    start, end = (int(span["span"][key]) for key in ("startTimeUnixNano", "endTimeUnixNano"))
    shown |= {"startTimeUnixNano": str(start), "durationNanos": str(end - start)}
    attributes = [{"key": key, "value": {"stringValue": value}} for scope, key, value in wanted if scope]
    return {**shown, "attributes": attributes} if attributes else shown


def _from_json(content: Mapping[str, Any]) -> Iterator[Span]:
    for batch in content.get("resourceSpans") or []:
        for scope in batch.get("scopeSpans") or []:
            for span in scope.get("spans") or []:
                yield _span(batch.get("resource") or {}, scope.get("scope") or {}, span, bytes.fromhex)


def _from_protobuf(message: bytes) -> Iterator[Span]:
    # opentelemetry/proto/trace/v1/trace.proto.
    for _, batch in protobuf.fields(message):
        parts = list(protobuf.fields(batch))
        resource = {"attributes": [_pair(each) for at, one in parts if at == 1 for _, each in protobuf.fields(one)]}
        for scope in (one for at, one in parts if at == 2):  # noqa: PLR2004
            inner = list(protobuf.fields(scope))
            name = next((protobuf.text(protobuf.record(one)[1]) for at, one in inner if at == 1), "")
            for content in (one for at, one in inner if at == 2):  # noqa: PLR2004
                known = protobuf.record(content)
                span = {
                    "traceId": known[1],
                    "spanId": known[2],
                    "name": protobuf.text(known.get(5, b"")),
                    "kind": known.get(6, 0),
                    "startTimeUnixNano": str(protobuf.fixed(known[7])),
                    "endTimeUnixNano": str(protobuf.fixed(known[8])),
                    "attributes": [_pair(one) for at, one in protobuf.fields(content) if at == 9],  # noqa: PLR2004
                }
                yield _span(resource, {"name": name}, span, bytes)


def _pair(message: protobuf.Value) -> dict[str, Any]:
    inner = protobuf.record(message)
    return {"key": protobuf.text(inner[1]), "value": {"stringValue": protobuf.text(protobuf.record(inner[2])[1])}}


def _span(resource: Mapping[str, Any], scope: Mapping[str, Any], given: Mapping[str, Any], raw: Any) -> Span:
    # Ids are hex in OTLP/JSON, but base64 in the protobuf JSON that Tempo answers with (`by id, first look`).
    ids = {key: raw(given[key]) for key in ("traceId", "spanId", "parentSpanId") if given.get(key)}
    span = {key: base64.b64encode(value).decode() for key, value in ids.items()}
    kind = given.get("kind", 0)
    span |= {"name": given.get("name", ""), "kind": f"SPAN_KIND_{_KINDS[kind]}" if isinstance(kind, int) else kind}
    span |= {key: str(given.get(key, 0)) for key in ("startTimeUnixNano", "endTimeUnixNano")}
    span |= {"attributes": given.get("attributes", []), "status": given.get("status", {})}
    return {"trace": ids["traceId"].hex().rjust(32, "0"), "resource": resource, "scope": scope, "span": span}
