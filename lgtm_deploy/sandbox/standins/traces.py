"""Where does the Tempo stand-in keep spans, and which traces fit a search? In memory, per tenant."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping
from typing import Any

Batch = dict[str, Any]


class TraceStore:
    """Traces by tenant and id; search sees a trace only when it has been idle for a while."""

    def __init__(self, idle_seconds: float = 0.0) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._traces: dict[tuple[str, str], list[Batch]] = {}
        self._touched: dict[tuple[str, str], float] = {}

    def add(self, tenant: str, batches: list[Mapping[str, Any]]) -> None:
        """Store the spans of an OTLP/JSON request."""
        with self._lock:
            for batch in batches:
                for scope in batch.get("scopeSpans", []):
                    for span in scope.get("spans", []):
                        key = (tenant, str(span["traceId"]).lower().rjust(32, "0"))
                        kept = {
                            "resource": batch.get("resource", {}),
                            "scopeSpans": [{"scope": scope.get("scope", {}), "spans": [_encoded(span)]}],
                        }
                        self._traces.setdefault(key, []).append(kept)
                        self._touched[key] = time.monotonic()

    def find(self, tenant: str, trace_id: str) -> list[Batch] | None:
        """The batches of a trace, at once after they came in."""
        with self._lock:
            found = self._traces.get((tenant, trace_id))
            return None if found is None else list(found)

    def search(self, tenant: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        """The traces that have all the wanted attributes, newest first, as `/api/search` describes them."""
        described = [
            _describe(trace_id, batches)
            for trace_id, batches in self._searchable(tenant)
            if wanted.items() <= _attributes(batches).items()
        ]
        return sorted(described, key=lambda trace: trace["startTimeUnixNano"], reverse=True)

    def tag_names(self, tenant: str) -> list[str]:
        """Every attribute name seen."""
        return sorted({name for _, batches in self._searchable(tenant) for name in _attributes(batches)})

    def tag_values(self, tenant: str, name: str) -> list[str]:
        """Every value seen of an attribute."""
        seen = {_attributes(batches).get(name) for _, batches in self._searchable(tenant)}
        return sorted(value for value in seen if value is not None)

    def _searchable(self, tenant: str) -> list[tuple[str, list[Batch]]]:
        limit = time.monotonic() - self._idle_seconds
        with self._lock:
            return [
                (trace_id, list(batches))
                for (owner, trace_id), batches in self._traces.items()
                if owner == tenant and self._touched[owner, trace_id] <= limit
            ]


def _encoded(span: Mapping[str, Any]) -> dict[str, Any]:
    # Ids are hex in OTLP/JSON, but base64 in the protobuf JSON that Tempo answers with.
    given = [key for key in ("traceId", "spanId", "parentSpanId") if span.get(key)]
    ids = {key: base64.b64encode(bytes.fromhex(span[key])).decode() for key in given}
    return {**span, **ids}


def _spans(batches: list[Batch]) -> list[Mapping[str, Any]]:
    return [span for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]]


def _attributes(batches: list[Batch]) -> dict[str, str]:
    found: dict[str, str] = {}
    for batch in batches:
        found |= _plain(batch["resource"].get("attributes", []))
    for span in _spans(batches):
        found |= {"name": str(span.get("name", ""))} | _plain(span.get("attributes", []))
    return found


def _plain(attributes: list[Mapping[str, Any]]) -> dict[str, str]:
    return {one["key"]: str(next(iter(one.get("value", {}).values()), "")) for one in attributes}


def _describe(trace_id: str, batches: list[Batch]) -> dict[str, Any]:
    spans = _spans(batches)
    starts = [int(span.get("startTimeUnixNano", 0)) for span in spans]
    ends = [int(span.get("endTimeUnixNano", 0)) for span in spans]
    root = next((span for span in spans if not span.get("parentSpanId")), spans[0])
    return {
        "traceID": trace_id.lstrip("0") or "0",
        "rootServiceName": _attributes(batches).get("service.name", ""),
        "rootTraceName": root.get("name", ""),
        "startTimeUnixNano": str(min(starts)),
        "durationMs": max(0, (max(ends) - min(starts)) // 1_000_000),
    }
