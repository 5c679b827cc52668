"""The profiles that a Pyroscope stand-in was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import selectors
from .asked import Asked
from .listener import Request, Response, document

QUERIER = "/querier.v1.QuerierService/"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# `Series {service_name="lgtm.verify"}`: the types of `.cpu`, `.alloc_space` and `.wall`.
_TYPES = {
    "cpu": "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
    "alloc_space": "memory:alloc_space:bytes::",
    "wall": "wall:wall:nanoseconds:cpu:nanoseconds",
}
# Without a `service_name` in the query 2.0.4 sees a profile once its segment is compacted: with dozens of writes, 49 s
# after the first and 7 s after the last of them, those that are 30 s old (pyroscope-2.0.4-plain, -plain-single-tenant:
# not in `SelectMergeStacktraces, {} hour, after writing`, but in `render, bare`); with two writes not in 90 s
# (pyroscope-2.0.4-tenants).
COMPACTED_WRITES, FIRST_SECONDS, LAST_SECONDS, EACH_SECONDS = 17, 49.0, 7.0, 30.0

Stacks = dict[tuple[str, ...], int]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One upload."""

    tenant: str
    labels: Mapping[str, str]
    moment: float
    stacks: Stacks
    at: float


class ProfileStore:
    """Profiles by tenant."""

    def __init__(self, version: str, config: Mapping[str, Any]) -> None:
        del config
        self._segments = version == "2.0.4"
        self._profiles: list[Profile] = []

    def write(self, asked: Asked, tenant: str) -> None:
        """Keep the profile of an /ingest. Raises ValueError where it is none."""
        request, at = asked.request, asked.at
        stacks = _stacks(request)
        if stacks:
            # `no times`: the moment of the upload. It is kept as 0, which every range holds.
            moment = _seconds(request.argument("until", "0"), 0.0)
            labels = _labels(request.argument("name"))
            self._profiles.append(Profile(tenant=tenant, labels=labels, moment=moment, stacks=stacks, at=at))

    def view(self, asked: Asked) -> Response | None:
        """Answer a read; None where it is none, or is not understood."""
        request, tenants, at, now = asked.request, asked.tenants, asked.at, asked.now
        if request.path.endswith("/ingest"):
            return Response(kind="") if _stacks(request) else None
        if request.path == "/pyroscope/render":
            return self._render(request, tenants, at, now)
        method = request.path.removeprefix(QUERIER)
        if method == request.path or "json" not in request.header("content-type"):
            return None
        return self._query(method, request.json(), tenants, at)

    def _query(  # noqa: PLR0911 - a method each
        self, method: str, asked: dict[str, Any], tenants: tuple[str, ...], at: float
    ) -> Response | None:
        start, end = (float(asked.get(key) or 0) / 1000 for key in ("start", "end"))
        if self._segments and method not in {"ProfileTypes", "GetProfileStats"} and not 0 < start <= end:
            # `LabelNames, {}`, `LabelNames, end before start`.
            return None
        matchers = list(asked.get("matchers") or [asked.get("labelSelector") or "{}"])
        found = [each for one in matchers for each in self._find(one, tenants, (start, end), at, method)]
        if method == "GetProfileStats":
            # Without times; 2.0.4 counts what is compacted.
            return document({"dataIngested": True} if found else {})
        if method == "ProfileTypes":
            kinds = sorted({each.labels["__profile_type__"] for each in found})
            return _filled("profileTypes", [_type(kind) for kind in kinds])
        if method == "LabelNames":
            return _filled("names", sorted({key for each in found for key in each.labels}))
        if method == "LabelValues" and asked.get("name"):
            return _filled(
                "names", sorted({each.labels[asked["name"]] for each in found if asked["name"] in each.labels})
            )
        if method == "Series":
            return _filled("labelsSet", self._series(found, asked.get("labelNames") or []))
        if method == "SelectMergeStacktraces" and str(asked.get("profileTypeID", "")).count(":") == 4:  # noqa: PLR2004
            graph = _flamegraph(each for each in found if each.labels["__profile_type__"] == asked["profileTypeID"])
            levels = [{"values": [str(value) for value in level]} for level in graph["levels"]]
            sums = {"total": str(graph["numTicks"]), "maxSelf": str(graph["maxSelf"])} if graph["numTicks"] else {}
            return document({"flamegraph": {"names": graph["names"], "levels": levels} | sums})
        return None

    def _render(self, request: Request, tenants: tuple[str, ...], at: float, now: float) -> Response | None:
        kind, _, selector = request.argument("query").partition("{")
        if kind.count(":") != 4:  # noqa: PLR2004 - a profile type has five parts
            return None
        span = _seconds(request.argument("from", "now"), now), _seconds(request.argument("until", "now"), now) + 60
        found = self._find("{" + selector, tenants, span, at, "render")
        return document({"flamebearer": _flamegraph(each for each in found if each.labels["__profile_type__"] == kind)})

    def _find(
        self, selector: str, tenants: tuple[str, ...], span: tuple[float, float], at: float, method: str
    ) -> list[Profile]:
        matchers = [] if selector.replace(" ", "") == "{}" else selectors.parse(selector)
        named = any(one.label == "service_name" and one.operator == "=" for one in matchers)
        mine = [each for each in self._profiles if each.tenant in tenants]
        # `ProfileTypes, hour, after writing` sees what `LabelNames, hour, after writing` does not.
        if self._segments and not named and method != "ProfileTypes":
            compacted = len(mine) >= COMPACTED_WRITES and at >= max(
                mine[0].at + FIRST_SECONDS, mine[-1].at + LAST_SECONDS
            )
            mine = [each for each in mine if compacted and each.at + EACH_SECONDS <= at]
        start, end = span
        return [
            each
            for each in mine
            if selectors.fits(matchers, each.labels)
            and (not end or not each.moment or start - 1 <= each.moment <= end + 1)
        ]

    def _series(self, found: list[Profile], names: list[str]) -> list[dict[str, Any]]:
        sets = []
        for each in found:
            order = names or sorted(each.labels)
            # Labels come sorted from 2.0.4, as they were asked for from 1.13.5 (`Series, service lgtm_deploy_verify`).
            order = sorted(order) if self._segments else order
            sets.append([{"name": name, "value": each.labels[name]} for name in order if name in each.labels])
        return [{"labels": each} for each in sorted({str(one): one for one in sets}.values(), key=str)]


def _filled(name: str, found: list[Any]) -> Response:
    # An empty list is left out (`LabelNames, hour`).
    return document({name: found} if found else {})


def _type(kind: str) -> dict[str, str]:
    parts = dict(zip(("name", "sampleType", "sampleUnit", "periodType", "periodUnit"), kind.split(":"), strict=True))
    return {"ID": kind} | {key: value for key, value in parts.items() if value}


def _labels(name: str) -> dict[str, str]:
    """Return the labels of `app.cpu{run=1}`; values are stored as sent, quotes included [run]."""
    whole, _, inside = name.partition("{")
    application, dot, suffix = whole.rpartition(".")
    kind = _TYPES.get(suffix, _TYPES["cpu"])
    service = application if dot else whole
    given = dict(pair.split("=", 1) for pair in inside.rstrip("}").split(",") if "=" in pair)
    parts = kind.split(":")
    labels = {"__name__": parts[0], "__profile_type__": kind, "__type__": parts[1], "__unit__": parts[2]}
    labels |= {"__period_type__": parts[3], "__period_unit__": parts[4], "pyroscope_spy": "unknown"}
    labels |= {"service_name": service, "__service_name__": service}
    if "service_name" in given:
        # `LabelNames, hour, after minutes`: with a service_name of its own the name is kept as app_name.
        labels |= {"app_name": service, "__service_name__": given["service_name"]}
    return {key: value for key, value in sorted((labels | given).items()) if value}


def _stacks(request: Request) -> Stacks:
    name = request.argument("name").partition("{")[0]
    kind, form = name.rpartition(".")[2], request.argument("format")
    # A zipped body is taken and not understood (`Series {…,run="gzip"}`); other types are refused (`lgtm.verify`).
    if request.method != "POST" or not request.path.endswith("/ingest") or request.header("content-encoding"):
        return {}
    if not name or ("." in name and kind not in _TYPES) or form not in {"", "folded", "lines"}:
        return {}
    return _folded(request.body, counted=form != "lines")


def _folded(body: bytes, *, counted: bool) -> Stacks:
    stacks: Stacks = {}
    for line in filter(str.strip, body.decode(errors="replace").splitlines()):
        frames, _, count = line.rpartition(" ") if counted else (line, "", "1")
        if frames and count.isdigit():
            # A sample counts for 10 ms: 100 a second (`SelectMergeStacktraces, service_name and run, after writing`).
            stack = tuple(frames.split(";"))
            stacks[stack] = stacks.get(stack, 0) + int(count) * 10**7
    return stacks


def _seconds(given: str, now: float) -> float:
    if ago := re.fullmatch(r"now-(\d+)([smhd])", given):
        return now - int(ago[1]) * _UNITS[ago[2]]
    if not given.isdigit():
        return now
    return float(given[:10]) if len(given) > 10 else float(given)  # noqa: PLR2004 - ten digits are seconds


def _flamegraph(profiles: Iterable[Profile]) -> dict[str, Any]:
    root: dict[str, Any] = {"total": 0, "own": 0, "children": {}}
    for profile in profiles:
        for stack, count in profile.stacks.items():
            node = root
            node["total"] += count
            for frame in stack:
                node = node["children"].setdefault(frame, {"total": 0, "own": 0, "children": {}})
                node["total"] += count
            node["own"] += count
    names, levels, row = ["total"], [], [("total", 0, root)]
    while row:
        level: list[int] = []
        end, below = 0, []
        for name, start, node in row:
            if name not in names:
                names.append(name)
            # Offsets are counted from the end of the bar before it on the same level.
            level += [start - end, node["total"], node["own"], names.index(name)]
            end = start + node["total"]
            at = start
            for child in sorted(node["children"]):
                below.append((child, at, node["children"][child]))
                at += node["children"][child]["total"]
        levels.append(level)
        row = below
    return {
        "names": names,
        "levels": levels,
        "numTicks": root["total"],
        "maxSelf": max(level[at] for level in levels for at in range(2, len(level), 4)),
    }
