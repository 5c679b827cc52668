"""The samples that a Mimir stand-in was sent, found at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from . import protobuf, selectors
from .listener import Request, Response, document

API = "/prometheus/api/v1"
LOOKBACK_SECONDS = 300.0  # `query, 299 s later` and `query, 300 s later`
POINTS = 11_000  # `query_range, 12,000 points`

Labels = tuple[tuple[str, str], ...]


class MetricStore:
    """Samples by tenant and series."""

    def __init__(self, version: str, config: Mapping[str, Any]) -> None:
        del version, config
        self._series: dict[tuple[str, Labels], dict[float, float]] = {}

    def write(self, request: Request, tenant: str, at: float) -> None:
        """Keep the samples of a remote write (prompb.WriteRequest). Raises ValueError where it is none."""
        del at
        for labels, samples in _decoded(request.body):
            self._series.setdefault((tenant, labels), {}).update(samples)

    def view(  # noqa: PLR0911 - a route each
        self, request: Request, tenants: tuple[str, ...], at: float, now: float
    ) -> Response | None:
        """Answer a read; None where it is none, or is not understood."""
        del at
        if request.path == "/api/v1/push":
            return self._push(request, tenants[0])
        known = {labels: samples for (tenant, labels), samples in self._series.items() if tenant in tenants}
        route = request.path.removeprefix(API)
        try:
            if route == "/query":
                return _instant(known, request, now)
            if route == "/query_range":
                return _range(known, request)
            if route == "/labels" and not request.query:
                return _success(sorted({key for labels in known for key, _ in labels}))
            if (found := re.fullmatch(r"/label/(\w+)/values", route)) and not request.query:
                return _success(sorted({value for labels in known for key, value in labels if key == found[1]}))
            if route == "/series" and request.argument("match[]"):
                return _success([dict(labels) for labels in _fitting(known, request.argument("match[]"))])
        except ValueError:
            return None
        return None

    def _push(self, request: Request, tenant: str) -> Response | None:
        # `push, older than the last`, `push, same time, another value`.
        try:
            for labels, samples in _decoded(request.body):
                known = self._series.get((tenant, labels), {})
                for at, value in samples.items():
                    if known and (at < max(known) or known.get(at, value) != value):
                        return Response(status=400, kind="")
        except (ValueError, KeyError):
            return None
        return Response(kind="")


def _decoded(body: bytes) -> Iterator[tuple[Labels, dict[float, float]]]:
    for number, series in protobuf.fields(protobuf.decompress(body)):
        labels, samples = {}, {}
        for kind, content in protobuf.fields(series) if number == 1 else ():
            inner = protobuf.record(content)
            if kind == 1:
                labels[protobuf.text(inner[1])] = protobuf.text(inner.get(2, b""))
            elif kind == 2:  # noqa: PLR2004 - prompb.TimeSeries.samples
                samples[int(protobuf.text(inner.get(2, 0))) / 1000] = protobuf.double(inner.get(1, bytes(8)))
        shown = tuple(sorted((key, value) for key, value in labels.items() if value))
        if shown:
            yield shown, samples


def _success(data: object) -> Response:
    return document({"status": "success", "data": data})


def _fitting(known: Mapping[Labels, Mapping[float, float]], selector: str) -> list[Labels]:
    matchers = selectors.parse(selector)
    if not matchers:
        raise ValueError("no matcher")
    return [labels for labels in sorted(known) if selectors.fits(matchers, dict(labels))]


def _instant(known: Mapping[Labels, Mapping[float, float]], request: Request, now: float) -> Response | None:
    moment = _seconds(request.argument("time")) if request.argument("time") else round(now, 3)
    found = []
    for labels in _fitting(known, request.argument("query")):
        value = _value(known[labels], moment)
        if value is not None:
            found.append({"metric": dict(labels), "value": [moment, value]})
    return _success({"resultType": "vector", "result": found})


def _range(known: Mapping[Labels, Mapping[float, float]], request: Request) -> Response | None:
    start, end = _seconds(request.argument("start")), _seconds(request.argument("end"))
    step = float(request.argument("step").removesuffix("s"))
    if end < start or step <= 0 or (end - start) / step > POINTS:
        return None
    moments = [start + step * index for index in range(int((end - start) / step) + 1)]
    result = []
    for labels in _fitting(known, request.argument("query")):
        values = [[moment, value] for moment in moments if (value := _value(known[labels], moment)) is not None]
        if values:
            result.append({"metric": dict(labels), "values": values})
    return _success({"resultType": "matrix", "result": result})


def _value(samples: Mapping[float, float], moment: float) -> str | None:
    seen = [at for at in samples if moment - LOOKBACK_SECONDS < at <= moment]
    return f"{samples[max(seen)]:g}" if seen else None


def _seconds(given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        return datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp()
    return int(number) if number.is_integer() else number
