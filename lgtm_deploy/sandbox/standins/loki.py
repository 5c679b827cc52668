"""How does Loki answer? Lines in by push, out by query_range; labels of what was pushed."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from . import selectors
from .listener import Request, Response, Routes, document, text
from .program import Definition, Listener, Running, Start, add_operations, build_info, listen_port, path_prefix
from .shapes.loki import SHAPE
from .tenants import Tenants

PORT = 3100
# Loki's `fake`, under which it stores where authentication is off.
SINGLE_TENANT = "fake"
DEFAULT_LIMIT = 100
HOUR_NANOSECONDS = 3600 * 10**9
_LINE_FILTER = re.compile(r'\s*(\|=|!=|\|~|!~)\s*("(?:[^"\\]|\\.)*"|`[^`]*`)')

Labels = Mapping[str, str]
Entry = tuple[int, str]


class LogStore:
    """Lines by tenant and stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: dict[str, dict[tuple[tuple[str, str], ...], list[Entry]]] = {}

    def add(self, tenant: str, labels: Labels, entries: list[Entry]) -> None:
        """Keep the lines of one stream."""
        with self._lock:
            self._streams.setdefault(tenant, {}).setdefault(tuple(sorted(labels.items())), []).extend(entries)

    def streams(self, tenant: str) -> list[tuple[dict[str, str], list[Entry]]]:
        """Every stream of a tenant."""
        with self._lock:
            return [(dict(labels), list(entries)) for labels, entries in self._streams.get(tenant, {}).items()]


def start(given: Start) -> Running:
    """Start one Loki."""
    tenants = Tenants(required=bool(given.config.get("auth_enabled", True)), single=SINGLE_TENANT)
    store, prefix, routes = LogStore(), path_prefix(given.config), Routes()
    add_operations(routes, "loki", given.version, prefix=prefix)
    api = f"{prefix}/loki/api/v1"
    routes.add("POST", f"{api}/push", tenants.guard(lambda request, tenant: _push(store, request, tenant)))
    routes.add("GET POST", f"{api}/query_range", tenants.guard(lambda request, tenant: _query(store, request, tenant)))
    routes.add("GET POST", f"{api}/query", tenants.guard(lambda request, tenant: _query(store, request, tenant)))
    for path in ("labels", "label"):
        routes.add("GET POST", f"{api}/{path}", tenants.guard(lambda _, tenant: _success(_label_names(store, tenant))))
    routes.add(
        "GET", f"{api}/label/{{}}/values", tenants.guard(lambda request, tenant: _label_values(store, request, tenant))
    )
    routes.add("GET POST", f"{api}/series", tenants.guard(lambda request, tenant: _series(store, request, tenant)))
    routes.add("GET", f"{api}/status/buildinfo", build_info(given.version))
    return Running(listeners=(Listener(port=listen_port(given.config, PORT), routes=routes),))


def _push(store: LogStore, request: Request, tenant: str) -> Response:
    if not request.header("content-type").startswith("application/json"):
        return text("the stand-in takes JSON pushes only\n", 415)
    try:
        for stream in json.loads(request.content())["streams"]:
            entries = [(int(value[0]), str(value[1])) for value in stream["values"]]
            store.add(tenant, dict(stream["stream"]), entries)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return text(f"couldn't parse push request: {error}\n", 400)
    return Response(status=204)


def _query(store: LogStore, request: Request, tenant: str) -> Response:
    query, now = request.argument("query"), time.time_ns()
    if re.fullmatch(r"\s*vector\(1\)\s*\+\s*vector\(1\)\s*", query):
        # Grafana's health check of a Loki data source.
        return _success({"resultType": "vector", "result": [{"metric": {}, "value": [now / 1e9, "2"]}], "stats": {}})
    try:
        selector, filters = _parse(query)
    except ValueError as error:
        return text(f"parse error : {error}\n", 400)
    begin = _time(request.argument("start"), now - HOUR_NANOSECONDS)
    end = _time(request.argument("end") or request.argument("time"), now + 1)
    backward = request.argument("direction", "backward") != "forward"
    limit = int(request.argument("limit") or DEFAULT_LIMIT)
    result = []
    for labels, entries in store.streams(tenant):
        if selectors.fits(selector, labels):
            kept = [
                one for one in entries if begin <= one[0] <= end and all(_passes(one[1], *rule) for rule in filters)
            ]
            values = [[str(at), line] for at, line in sorted(kept, reverse=backward)[:limit]]
            result += [{"stream": labels, "values": values}] if values else []
    return _success(
        {"resultType": "streams", "result": result, "stats": {"summary": {"totalEntriesReturned": len(result)}}}
    )


def _parse(query: str) -> tuple[list[selectors.Matcher], list[tuple[str, str]]]:
    braces = re.match(r'\s*(\{(?:[^}"`]|"(?:[^"\\]|\\.)*"|`[^`]*`)*\})', query)
    if braces is None:
        raise selectors.SelectorError(f"syntax error: the stand-in takes a selector and line filters, not {query}")
    rest = query[braces.end() :]
    filters = [(operator, value[1:-1].replace('\\"', '"')) for operator, value in _LINE_FILTER.findall(rest)]
    if _LINE_FILTER.sub("", rest).strip():
        raise selectors.SelectorError(f"syntax error: {rest.strip()}")
    return selectors.parse(braces[1]), filters


def _passes(line: str, operator: str, value: str) -> bool:
    found = re.search(value, line) is not None if operator.endswith("~") else value in line
    return found is operator.startswith("|")


def _time(given: str, default: int) -> int:
    if not given:
        return default
    # Nanoseconds as an integer, else seconds, possibly with a fraction (Loki's HTTP API reference, "Timestamps").
    whole = given.isdigit() and len(given) > len("1700000000")
    return int(given) if whole else int(float(given) * 1e9)


def _label_names(store: LogStore, tenant: str) -> list[str]:
    return sorted({name for labels, _ in store.streams(tenant) for name in labels})


def _label_values(store: LogStore, request: Request, tenant: str) -> Response:
    return _success(sorted({labels[request.name] for labels, _ in store.streams(tenant) if request.name in labels}))


def _series(store: LogStore, request: Request, tenant: str) -> Response:
    try:
        wanted = [selectors.parse(one) for one in request.arguments("match[]") or request.arguments("match")]
    except ValueError as error:
        return text(f"{error}\n", 400)
    return _success(
        [labels for labels, _ in store.streams(tenant) if any(selectors.fits(one, labels) for one in wanted)]
    )


def _success(data: Any) -> Response:
    return document({"status": "success", "data": data})


_REFUSAL = (
    "failed parsing config: {file}: {error}. "
    "Use `-config.expand-env=true` flag if you want to expand environment variables in your config file"
)
DEFINITION = Definition(shape=lambda _: SHAPE, refusal=_REFUSAL, start=start)
