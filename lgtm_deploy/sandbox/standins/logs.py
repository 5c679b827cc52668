"""The lines that a Loki stand-in was sent, found at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from . import protobuf, selectors
from .listener import Request, Response, document

API = "/loki/api/v1"
KIND = "application/json; charset=UTF-8"
_FILTER = re.compile(r'\s*(\|=|!=|\|~|!~)\s*("(?:[^"\\]|\\.)*"|`[^`]*`)')
_LONGEST = 721 * 3600 * 10**9  # `query_range, 40 days`: limit 30d1h


class LogStore:
    """Lines by tenant and stream."""

    def __init__(self, version: str, config: Mapping[str, Any]) -> None:
        del version, config
        self._lines: list[tuple[str, dict[str, str], int, str]] = []

    def write(self, request: Request, tenant: str, at: float) -> None:
        """Keep the lines of a push. Raises ValueError where it is none."""
        del at
        binary = "json" not in request.header("content-type")
        for labels, moment, line in _from_protobuf(request.body) if binary else _from_json(request.json()):
            # `series, none` of loki-3.5.1-auth: a service_name for each stream, `unknown_service` without a job.
            kept = {key: value for key, value in labels.items() if value}
            named = {**kept, "service_name": kept.get("service_name") or kept.get("job") or "unknown_service"}
            if (tenant, named, moment, line) not in self._lines:
                self._lines.append((tenant, named, moment, line))

    def view(  # noqa: PLR0911 - a route each
        self, request: Request, tenants: tuple[str, ...], at: float, now: float
    ) -> Response | None:
        """Answer a read; None where it is none, or is not understood."""
        del at
        lines = [each[1:] for each in self._lines if each[0] in tenants]
        known = [labels for labels, _, _ in lines]
        route = request.path.removeprefix(API)
        if route == "/query_range":
            return _range(request, lines, now)
        if found := re.fullmatch(r"/label/([^/]+)/values", route):
            return _listed(sorted({labels[found[1]] for labels in known if found[1] in labels}))
        if route in {"/labels", "/label"} or request.path == "/api/prom/label":
            if request.argument("start") and _nanoseconds(request.argument("start")) is None:
                return None
            names = sorted({key for labels in known for key in labels})
            return _listed(names) if route != request.path else document({"values": names}, kind=KIND)
        if route == "/detected_labels":
            pairs = {pair for labels in known for pair in labels.items()}
            counts = {key: len([one for one, _ in pairs if one == key]) for key in sorted({key for key, _ in pairs})}
            counted = [{"label": key, "cardinality": count} for key, count in counts.items()]
            return document({"detectedLabels": counted}, kind=KIND)
        if route == "/series":
            try:
                wanted = [selectors.parse(each) for each in request.arguments("match[]") + request.arguments("match")]
            except ValueError:
                return None
            sets = {tuple(sorted(each.items())) for each in known}
            fitting = [dict(each) for each in sorted(sets)]
            return _listed([each for each in fitting if not wanted or any(selectors.fits(one, each) for one in wanted)])
        return None


def _listed(found: list[Any]) -> Response:
    # Loki's empty list is left out (`early: GET /loki/api/v1/labels, demo`).
    return document({"status": "success"} | ({"data": found} if found else {}), kind=KIND)


def _range(request: Request, lines: list[tuple[dict[str, str], int, str]], now: float) -> Response | None:
    start = _nanoseconds(request.argument("start") or str(int((now - 3600) * 10**9)))
    end = _nanoseconds(request.argument("end") or str(int(now * 10**9)))
    limit, direction = request.argument("limit", "100"), request.argument("direction", "backward")
    if start is None or end is None or not limit.isdigit() or not 0 < int(limit) <= 5000:  # noqa: PLR2004
        return None
    query = request.argument("query")
    if not 0 < end - start <= _LONGEST or direction not in {"backward", "forward"} or not query.startswith("{"):
        return None
    try:
        inside = query.rindex("}") + 1 if "|" not in query else query.index("}") + 1
        selector, rest = selectors.parse(query[:inside]), query[inside:].strip()
    except ValueError:
        return None
    filters = _FILTER.findall(rest)
    if not selector or _FILTER.sub("", rest).strip() or all(selectors.fits([one], {}) for one in selector):
        return None
    kept = [
        each
        for each in lines
        if selectors.fits(selector, each[0])
        and start <= each[1] < end
        and all(_passes(each[2], mark, text) for mark, text in filters)
    ]
    kept.sort(key=lambda each: each[1], reverse=direction == "backward")
    streams: dict[tuple[tuple[str, str], ...], list[list[str]]] = {}
    for labels, moment, line in kept[: int(limit)]:
        # `query_range, first look`: each stream gets a detected_level.
        shown = tuple(sorted({"detected_level": "unknown", **labels}.items()))
        streams.setdefault(shown, []).append([str(moment), line])
    result = [{"stream": dict(labels), "values": values} for labels, values in streams.items()]
    return document({"status": "success", "data": {"resultType": "streams", "result": result}}, kind=KIND)


def _passes(line: str, mark: str, quoted: str) -> bool:
    wanted = quoted[1:-1] if quoted[0] == "`" else quoted[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    found = re.search(wanted, line) is not None if "~" in mark else wanted in line
    return found is (mark[0] == "|")


def _nanoseconds(given: str) -> int | None:
    # `query_range, seconds`, `… with a fraction`, `… RFC 3339`.
    if re.fullmatch(r"\d+", given):
        return int(given) * (1 if len(given) > 10 else 10**9)  # noqa: PLR2004 - ten digits are seconds
    try:
        return int(float(given) * 10**9)
    except ValueError:
        pass
    try:
        return int(datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp() * 10**9)
    except ValueError:
        return None


def _from_json(content: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], int, str]]:
    for stream in content.get("streams") or []:
        labels = {key: str(value) for key, value in (stream.get("stream") or {}).items()}
        for value in stream.get("values") or []:
            yield labels, int(value[0]), str(value[1]) if len(value) > 1 else ""


def _from_protobuf(body: bytes) -> Iterator[tuple[dict[str, str], int, str]]:
    # loki/pkg/push/push.proto.
    for _, stream in protobuf.fields(protobuf.decompress(body)):
        parts = list(protobuf.fields(stream))
        matchers = selectors.parse(protobuf.text(parts[0][1]))
        for _, entry in parts[1:]:
            inner = protobuf.record(entry)
            moment = protobuf.record(inner[1])
            nanoseconds = int(protobuf.text(moment.get(1, 0))) * 10**9 + int(protobuf.text(moment.get(2, 0)))
            yield {one.label: one.value for one in matchers}, nanoseconds, protobuf.text(inner.get(2, b""))
