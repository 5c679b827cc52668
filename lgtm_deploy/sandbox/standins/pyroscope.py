"""How does Pyroscope answer? Profiles in, flame graphs out; a false green where a prefix breaks its ring."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from . import selectors
from .catalogue import PrefixBehaviour
from .listener import Handler, Request, Response, Routes, document, text
from .logfmt import log
from .profiles import Profile, ProfileStore, flamegraph, parse_folded, parse_name, parse_time
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
from .shapes.pyroscope import SHAPE_1, SHAPE_2
from .tenants import Tenants

PORT = 4040
QUERIER = "/querier.v1.QuerierService"
# What connect makes of the 404 that a prefixed server gives to a client that knows no prefix.
RING_ERROR = "unimplemented: 404 Not Found"
SCHEDULER_RETRY_SECONDS = 5.0
STORAGE_LAYERS = {"v1", "v1-v2-dual", "v2"}

Querier = Callable[[Mapping[str, Any], str], dict[str, Any]]


def start(given: Start) -> Running:
    """Start one Pyroscope."""
    config, port, prefix = given.config, listen_port(given.config, PORT), path_prefix(given.config)
    layer = str(config.get("architecture_storage") or "v1-v2-dual")
    if layer not in STORAGE_LAYERS:
        raise StartError(f"failed creating pyroscope: invalid storage mode: {layer}; valid options: v1, v1-v2-dual, v2")
    follows = given.prefix_behaviour is PrefixBehaviour.MOVES_ALL and layer == "v2"
    broken = bool(prefix) and not follows
    tenants = Tenants(required=bool(config.get("multitenancy_enabled")))
    routes = Routes()
    add_operations(routes, "pyroscope", given.version, prefix=prefix)
    _add_profiles(routes, prefix, tenants, ProfileStore(), broken=broken)
    routes.add("GET", f"{prefix}/api/v1/status/buildinfo", build_info(given.version))
    routes.add(
        "GET", f"{prefix}/", lambda _: Response(body=b"<!doctype html><title>Pyroscope</title>", kind="text/html")
    )
    background = [_complain(port)] if broken else []
    if not block(config, "self_profiling").get("disable_push", False) and prefix:
        background.append(_lose_own_profiles(port))
    return Running(listeners=(Listener(port=port, routes=routes),), background=tuple(background))


def _add_profiles(routes: Routes, prefix: str, tenants: Tenants, store: ProfileStore, *, broken: bool) -> None:
    def reach_ring(handler: Handler, component: str) -> Handler:
        def fail(_: Request) -> Response:
            log("error", "error calling ring instance", component=component, err=RING_ERROR)
            return text(RING_ERROR + "\n", 404)

        return fail if broken else handler

    ingest = reach_ring(tenants.guard(_ingest(store)), "distributor")
    for path in ("/ingest", "/pyroscope/ingest"):
        routes.add("POST", prefix + path, _named(ingest))
    render = reach_ring(tenants.guard(_render(store)), "query-frontend")
    routes.add("GET", f"{prefix}/pyroscope/render", render)
    values = reach_ring(tenants.guard(_label_values_of_query(store)), "query-frontend")
    routes.add("GET", f"{prefix}/pyroscope/label-values", values)
    refusal = document({"code": "unauthenticated", "message": "no org id"}, 401)
    for method, answer in _querier(store).items():
        handler = reach_ring(tenants.guard(_connect(answer), refusal), "query-frontend")
        routes.add("POST", f"{prefix}{QUERIER}/{method}", handler)


def _named(ingest: Handler) -> Handler:
    # The name is checked before anything is sent to the ring: without it, 400 says that the route works.
    return lambda request: (
        ingest(request) if request.argument("name") else text("required query parameter 'name' is missing\n", 400)
    )


def _ingest(store: ProfileStore) -> Callable[[Request, str], Response]:
    def ingest(request: Request, tenant: str) -> Response:
        kind = request.argument("format") or "folded"
        if kind not in {"folded", "lines"}:
            return text(f"the stand-in takes folded stacks only, not {kind}\n", 422)
        try:
            labels = parse_name(request.argument("name"))
            stacks = parse_folded(request.content().decode(), counted=kind == "folded")
        except ValueError as error:
            return text(f"{error}\n", 400)
        at = parse_time(request.argument("until"), time.time())
        store.add(tenant, Profile(labels=labels, at=at, stacks=stacks))
        return Response()

    return ingest


def _found(store: ProfileStore, tenant: str, selector: str, start_at: float, end_at: float) -> list[Profile]:
    matchers = selectors.parse(selector, "__profile_name__") if selector.strip(" {}") else []
    # `app.cpu{…}` names a profile as /ingest did; the profile type id names its type.
    typed = [
        replace(one, label="__profile_type__") if one.label == "__profile_name__" and ":" in one.value else one
        for one in matchers
    ]
    return [one for one in store.between(tenant, start_at, end_at) if selectors.fits(typed, one.labels)]


def _render(store: ProfileStore) -> Callable[[Request, str], Response]:
    def render(request: Request, tenant: str) -> Response:
        now = time.time()
        start_at, end_at = parse_time(request.argument("from"), now - 3600), parse_time(request.argument("until"), now)
        try:
            found = _found(store, tenant, request.argument("query"), start_at, end_at)
        except ValueError as error:
            return text(f"{error}\n", 400)
        graph = flamegraph(found)
        return document(
            {
                "version": 1,
                "flamebearer": graph,
                "metadata": {"format": "single", "units": "samples", "sampleRate": 100, "name": "cpu"},
                "timeline": {"startTime": int(start_at), "samples": [graph["numTicks"]], "durationDelta": 15},
            }
        )

    return render


def _label_values_of_query(store: ProfileStore) -> Callable[[Request, str], Response]:
    return lambda request, tenant: document(store.values(tenant, request.argument("label")))


def _querier(store: ProfileStore) -> dict[str, Querier]:
    def span(asked: Mapping[str, Any]) -> tuple[float, float]:
        # Milliseconds, as strings or numbers; both absent means everything.
        start_at, end_at = (float(asked.get(key) or 0) / 1000 for key in ("start", "end"))
        return start_at, end_at or time.time() + 60

    def merge(asked: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        found = _found(store, tenant, str(asked.get("labelSelector") or "{}"), *span(asked))
        wanted = asked.get("profileTypeID")
        graph = flamegraph([one for one in found if not wanted or one.labels["__profile_type__"] == wanted])
        levels = [{"values": [str(value) for value in level]} for level in graph["levels"]]
        # Protobuf's JSON has 64-bit integers as strings.
        total, largest = str(graph["numTicks"]), str(graph["maxSelf"])
        return {"flamegraph": {"names": graph["names"], "levels": levels, "total": total, "maxSelf": largest}}

    def profile_types(_: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        kinds = store.values(tenant, "__profile_type__")
        return {
            "profileTypes": [
                {"ID": kind, "name": kind.split(":")[0], "sampleType": kind.split(":")[1]} for kind in kinds
            ]
        }

    def series(asked: Mapping[str, Any], tenant: str) -> dict[str, Any]:
        found = [
            one.labels
            for matcher in asked.get("matchers") or ["{}"]
            for one in _found(store, tenant, matcher, *span(asked))
        ]
        kept = asked.get("labelNames") or []
        sets = {
            tuple(sorted((name, value) for name, value in labels.items() if not kept or name in kept))
            for labels in found
        }
        return {
            "labelsSet": [{"labels": [{"name": name, "value": value} for name, value in one]} for one in sorted(sets)]
        }

    return {
        "LabelNames": lambda _, tenant: {"names": store.names(tenant)},
        "LabelValues": lambda asked, tenant: {"names": store.values(tenant, str(asked.get("name", "")))},
        "ProfileTypes": profile_types,
        "Series": series,
        "SelectMergeStacktraces": merge,
    }


def _connect(answer: Querier) -> Callable[[Request, str], Response]:
    def handle(request: Request, tenant: str) -> Response:
        if not request.header("content-type").startswith("application/json"):
            return Response(status=415, headers={"Accept-Post": "application/json"})
        try:
            return document(answer(json.loads(request.content() or b"{}"), tenant))
        except ValueError as error:
            return document({"code": "invalid_argument", "message": str(error)}, 400)

    return handle


def _complain(port: int) -> Callable[[], None]:
    def work() -> None:
        address = f"127.0.0.1:{port}"
        while True:
            log("error", "error contacting scheduler", component="querier-worker", addr=address, err=RING_ERROR)
            log(
                "error",
                "error dialing ring instance",
                component="distributor",
                ring="ingester",
                addr=address,
                err=RING_ERROR,
            )
            time.sleep(SCHEDULER_RETRY_SECONDS)

    return work


def _lose_own_profiles(port: int) -> Callable[[], None]:
    def work() -> None:
        # Pyroscope profiles itself at http://localhost:<port>, without any prefix (pkg/pyroscope/pyroscope.go).
        log("warn", "failed to upload profile", target=f"http://localhost:{port}/ingest", err="404 Not Found")

    return work


def _shape(version: str) -> Any:
    return SHAPE_1 if version.startswith("1.") else SHAPE_2


DEFINITION = Definition(shape=_shape, refusal="failed parsing config: {file}: {error}", start=start)
