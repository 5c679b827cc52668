"""How does Tempo answer? Traces in by OTLP, out by id and by search; routes that move with a prefix, or get lost."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from .catalogue import PrefixBehaviour
from .listener import Handler, Request, Response, Routes, document, text
from .program import Definition, Listener, Running, Start, add_operations, block, build_info, listen_port, path_prefix
from .shapes.tempo import SHAPE
from .tenants import Tenants
from .traces import TraceStore

PORT = 3200
OTLP_HTTP_PORT = 4318
# Tempo's `single-tenant`, under which it stores where multitenancy is off.
SINGLE_TENANT = "single-tenant"
DEFAULT_SEARCH_LIMIT = 20
_CONDITION = re.compile(r'([.\w]+)\s*=\s*"([^"]*)"')


def start(given: Start) -> Running:
    """Start one Tempo."""
    config = given.config
    tenants = Tenants(required=bool(config.get("multitenancy_enabled")), single=SINGLE_TENANT)
    store = TraceStore(idle_seconds=float(os.environ.get("STANDIN_SEARCH_SECONDS", "0")))
    routes = Routes()
    prefix = path_prefix(config)
    if prefix and given.prefix_behaviour is PrefixBehaviour.LOSES_ROUTES:
        only = Routes()
        add_operations(only, "tempo", given.version, prefix=prefix)
        routes.add("GET", f"{prefix}/metrics", only.answer)
    else:
        add_operations(routes, "tempo", given.version, prefix=prefix)
        _add_queries(routes, prefix + str(config.get("http_api_prefix") or "").rstrip("/"), tenants, store)
        routes.add("GET", f"{prefix}/status/version", lambda _: text(f"tempo, version {given.version}\n"))
        routes.add("GET", f"{prefix}/api/status/buildinfo", build_info(given.version))
    listeners = [Listener(port=listen_port(config, PORT), routes=routes)]
    protocols = block(config, "distributor", "receivers", "otlp").get("protocols") or {}
    if "http" in protocols:
        endpoint = str((protocols["http"] or {}).get("endpoint") or f"0.0.0.0:{OTLP_HTTP_PORT}")
        otlp = Routes()
        otlp.add("POST", "/v1/traces", _receive(tenants, store))
        listeners.append(Listener(port=int(endpoint.rpartition(":")[2]), routes=otlp))
    return Running(listeners=tuple(listeners))


def _add_queries(routes: Routes, prefix: str, tenants: Tenants, store: TraceStore) -> None:
    def by_id(request: Request, tenant: str) -> Response:
        if not re.fullmatch(r"[0-9a-fA-F]{1,32}", request.name):
            return text("trace IDs can only contain hex characters\n", 400)
        trace = store.find(tenant, request.name.lower().rjust(32, "0"))
        # A present route with an unknown id: 404 with an empty body, unlike a missing route (run against 2.9.0).
        return Response(status=404) if trace is None else document({"batches": trace})

    def by_id_2(request: Request, tenant: str) -> Response:
        answer = by_id(request, tenant)
        found = json.loads(answer.body).get("batches") if answer.kind == "application/json" else None
        return answer if found is None else document({"trace": {"resourceSpans": found}})

    def search(request: Request, tenant: str) -> Response:
        wanted = _conditions(request)
        limit = int(request.argument("limit") or DEFAULT_SEARCH_LIMIT)
        found = store.search(tenant, wanted)[:limit]
        metrics = {"inspectedTraces": len(found), "completedJobs": 1, "totalJobs": 1}
        return document({"traces": found, "metrics": metrics})

    def tag_names(_: Request, tenant: str) -> Response:
        return document({"tagNames": store.tag_names(tenant), "metrics": {}})

    def tag_scopes(_: Request, tenant: str) -> Response:
        return document({"scopes": [{"name": "resource", "tags": store.tag_names(tenant)}], "metrics": {}})

    def tag_values(request: Request, tenant: str) -> Response:
        return document({"tagValues": store.tag_values(tenant, request.name), "metrics": {}})

    routes.add("GET", f"{prefix}/api/echo", lambda _: text("echo"))
    guarded: dict[str, Handler] = {
        "/api/traces/{}": tenants.guard(by_id),
        "/api/v2/traces/{}": tenants.guard(by_id_2),
        "/api/search": tenants.guard(search),
        "/api/search/tags": tenants.guard(tag_names),
        "/api/v2/search/tags": tenants.guard(tag_scopes),
        "/api/search/tag/{}/values": tenants.guard(tag_values),
    }
    for path, handler in guarded.items():
        routes.add("GET", prefix + path, handler)


def _conditions(request: Request) -> dict[str, str]:
    query = request.argument("q")
    if query:
        return {_attribute_name(name): value for name, value in _CONDITION.findall(query)}
    return dict(pair.split("=", 1) for pair in request.argument("tags").split() if "=" in pair)


def _attribute_name(name: str) -> str:
    # TraceQL scopes: `resource.service.name`, `span.run`, or `.run` for any scope.
    for scope in ("resource.", "span.", "."):
        if name.startswith(scope):
            return name.removeprefix(scope)
    return name


def _receive(tenants: Tenants, store: TraceStore) -> Handler:
    def receive(request: Request, tenant: str) -> Response:
        if not request.header("content-type").startswith("application/json"):
            return text("the stand-in takes OTLP as JSON only\n", 415)
        try:
            batches: list[Mapping[str, Any]] = json.loads(request.content())["resourceSpans"]
            store.add(tenant, batches)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return document({"code": 3, "message": str(error)}, 400)
        return document({"partialSuccess": {}})

    # OTLP without a tenant: 503, as the receiver wraps the refusal (run against 2.9.0).
    refusal = document({"code": 14, "message": "no org id"}, 503)
    return tenants.guard(receive, refusal)


DEFINITION = Definition(
    shape=lambda _: SHAPE,
    refusal="failed parsing config: failed to parse configFile {file}: {error}",
    start=start,
)
