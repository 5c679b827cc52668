"""How does Mimir answer? Samples in by remote write, out by instant and range queries; labels of what was written."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from . import selectors
from .listener import Handler, Request, Response, Routes, document, text
from .logfmt import log
from .program import (
    Definition,
    Listener,
    Running,
    Start,
    StartError,
    add_operations,
    block,
    build_info,
    listen_port,
    path_prefix,
)
from .remote_write import RemoteWriteError, Sample, decode
from .shapes.mimir import SHAPE
from .tenants import Tenants

PORT = 8080
# An instant query sees samples up to this old (-querier.lookback-delta).
LOOKBACK_SECONDS = 300.0

Series = tuple[dict[str, str], list[Sample]]


class MetricStore:
    """Samples by tenant and series."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._series: dict[str, dict[tuple[tuple[str, str], ...], list[Sample]]] = {}

    def add(self, tenant: str, labels: Mapping[str, str], samples: list[Sample]) -> None:
        """Keep the samples of one series."""
        with self._lock:
            self._series.setdefault(tenant, {}).setdefault(tuple(sorted(labels.items())), []).extend(samples)

    def series(self, tenant: str) -> list[Series]:
        """Every series of a tenant, its samples in the order of time."""
        with self._lock:
            return [(dict(labels), sorted(samples)) for labels, samples in self._series.get(tenant, {}).items()]


def start(given: Start) -> Running:
    """Start one Mimir."""
    config = given.config
    _load_runtime_config(str(block(config, "runtime_config").get("file") or ""))
    single = str(config.get("no_auth_tenant") or "anonymous")
    tenants = Tenants(required=bool(config.get("multitenancy_enabled", True)), single=single)
    store, prefix, routes = MetricStore(), path_prefix(config), Routes()
    add_operations(routes, "mimir", given.version, prefix=prefix)
    routes.add("POST", f"{prefix}/api/v1/push", tenants.guard(lambda request, tenant: _push(store, request, tenant)))
    api = f"{prefix}/prometheus/api/v1"

    def serve(methods: str, path: str, handler: Any) -> None:
        routes.add(
            methods, f"{api}/{path}", _checked(tenants.guard(lambda request, tenant: handler(store, request, tenant)))
        )

    serve("GET POST", "query", _instant)
    serve("GET POST", "query_range", _range)
    serve("GET POST", "labels", _label_names)
    serve("GET", "label/{}/values", _label_values)
    serve("GET POST", "series", _find_series)
    routes.add("GET", f"{api}/status/buildinfo", build_info(given.version))
    return Running(listeners=(Listener(port=listen_port(config, PORT), routes=routes),))


def _load_runtime_config(file: str) -> None:
    # Mimir opens it as a local file, whatever it looks like: the cause of a night's crash loop.
    for one in filter(None, file.split(",")):
        if not Path(one).is_file():
            reason = (
                f"failed to load runtime config: load file: open {one.replace('//', '/')}: no such file or directory"
            )
            log("error", "module failed", module="runtime-config", err=f"starting module runtime-config: {reason}")
            raise StartError(f"failed services\nservice runtime-config: {reason}")


def _push(store: MetricStore, request: Request, tenant: str) -> Response:
    try:
        for labels, samples in decode(request.body):
            if not labels.get("__name__"):
                return text("received series has no metric name\n", 400)
            store.add(tenant, labels, samples)
    except RemoteWriteError as error:
        return text(f"{error}\n", 400)
    return Response()


def _checked(handler: Handler) -> Handler:
    def checked(request: Request) -> Response:
        try:
            return handler(request)
        except ValueError as error:
            return document({"status": "error", "errorType": "bad_data", "error": str(error)}, 400)

    return checked


def _instant(store: MetricStore, request: Request, tenant: str) -> Response:
    query, at = request.argument("query"), _time(request.argument("time"), time.time())
    if number := re.fullmatch(r"\s*(\d+)\s*(?:\+\s*(\d+)\s*)?", query):
        # Grafana's health check of a Prometheus data source asks for `1+1`.
        value = int(number[1]) + int(number[2] or 0)
        return _success({"resultType": "scalar", "result": [at, str(value)]})
    matchers = selectors.parse(query)
    result = []
    for labels, samples in store.series(tenant):
        sample = _latest(samples, at)
        if sample is not None and selectors.fits(matchers, labels):
            result.append({"metric": labels, "value": [at, _shown(sample.value)]})
    return _success({"resultType": "vector", "result": result})


def _range(store: MetricStore, request: Request, tenant: str) -> Response:
    now = time.time()
    begin, end = _time(request.argument("start"), now - 3600), _time(request.argument("end"), now)
    step = max(1.0, _seconds(request.argument("step") or "15"))
    matchers = selectors.parse(request.argument("query"))
    result = []
    for labels, samples in store.series(tenant):
        if selectors.fits(matchers, labels):
            moments = [begin + number * step for number in range(int((end - begin) / step) + 1)]
            found = [(at, _latest(samples, at)) for at in moments]
            values = [[at, _shown(sample.value)] for at, sample in found if sample is not None]
            result += [{"metric": labels, "values": values}] if values else []
    return _success({"resultType": "matrix", "result": result})


def _latest(samples: list[Sample], at: float) -> Sample | None:
    return next((one for one in reversed(samples) if at - LOOKBACK_SECONDS < one.at <= at), None)


def _label_names(store: MetricStore, _: Request, tenant: str) -> Response:
    return _success(sorted({name for labels, _ in store.series(tenant) for name in labels}))


def _label_values(store: MetricStore, request: Request, tenant: str) -> Response:
    return _success(sorted({labels[request.name] for labels, _ in store.series(tenant) if request.name in labels}))


def _find_series(store: MetricStore, request: Request, tenant: str) -> Response:
    wanted = [selectors.parse(one) for one in request.arguments("match[]")]
    return _success(
        [labels for labels, _ in store.series(tenant) if any(selectors.fits(one, labels) for one in wanted)]
    )


def _time(given: str, default: float) -> float:
    if not given:
        return default
    return datetime.fromisoformat(given).timestamp() if "T" in given else float(given)


def _seconds(given: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return float(given[:-1]) * units[given[-1]] if given[-1] in units else float(given)


def _shown(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def _success(data: Any) -> Response:
    return document({"status": "success", "data": data})


DEFINITION = Definition(
    shape=lambda _: SHAPE, refusal="error loading config from {file}: Error parsing config file: {error}", start=start
)
