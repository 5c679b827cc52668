"""Answers requests from recordings.

A recorded answer is played when the request is the recorded one, with other times and IDs at most, and the store holds
for it the same as it held in the recording. For the latter each recording is read once through a store of its own: its
accepted writes are kept, and each exchange remembers the store's view of it. A view that differs from the recorded one
is the answer itself; what the store leaves out (statistics) is filled in from a recorded answer of the same route.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from .asked import Asked, Key, NewStore, Store, keep, look
from .listener import NOT_FOUND, Request, Response, text
from .recordings import Exchange, Recording, ids, mask, mask_ids, shift, times
from .rules import TENANT_HEADER, Settings

_EMPTY = 404  # a store's answer where it holds nothing
_NO_ROUTE = {404, 405}
UNKNOWN = text("The recordings hold no such request.\n", 501)


@dataclass(frozen=True, kw_only=True)
class Take:
    """One recorded exchange with its circumstances."""

    asked: Asked
    response: Response
    view: Response | None
    prefixed: bool
    moved: bool
    tenants: bool

    @property
    def good(self) -> bool:
        """True where the request was answered with success."""
        return 200 <= self.response.status < 300  # noqa: PLR2004


class Player:
    """The recordings of one version, for one configuration."""

    def __init__(self, recordings: list[Recording], settings: Settings, store: NewStore) -> None:
        self._settings = settings
        self._takes: dict[Key, list[Take]] = {}
        self._routes: dict[Key, list[Take]] = {}
        self._methods: dict[Key, list[Take]] = {}
        for recording in recordings:
            if recording.source["exchanges"]:
                self._read(recording, Settings.of(settings.service, settings.version, recording.config), store)

    def play(self, asked: Asked, view: Response | None) -> Response:
        """Return the answer to a request; `view` is the store's answer to it."""
        takes = self._ranked(self._takes.get(asked.key(), []), asked, view)
        # Where nothing was written, answers with data do not count, but those to similar requests.
        if takes and not (_status(view) == _EMPTY != _status(takes[0].view)):
            best = takes[0]
            same = view is None or _status(best.view) == view.status
            if view is None or (same and (not best.good or _alike(view, best.view))):
                return self._played(best, asked)
            return self._filled(view, asked)
        similar = self._ranked(self._routes.get(asked.route(), []), asked, view)
        if not similar and asked.audience != "one" and (refused := self._refused(asked)):
            return self._played(refused, asked)
        if view is not None and not similar:
            # A tenant that nobody refuses is answered as any other one.
            similar = self._ranked(self._routes.get((*asked.route()[:-1], "one"), []), asked, view)
        if view is None:
            return self._not_understood(similar, asked) if similar else self._unknown(asked)
        # A request that the store understood in the recording too, where the server failed, fails:
        # tempo-2.3.1-path-prefix, pyroscope-1.13.5-path-prefix.
        broken = [each for each in similar if each.prefixed == bool(self._settings.path_prefix)]
        broken = [each for each in broken if each.view is not None and each.view.status < 300]  # noqa: PLR2004
        if broken and not any(each.good for each in broken):
            return self._played(broken[0], asked)
        refused = next((each for each in similar if each.response.status == view.status), None)
        if similar and view.status == _EMPTY == _status(similar[0].view):
            # Nothing is there, and the server may say so with another status: `/api/search/tag/nope/values` of Tempo.
            refused = similar[0]
        return self._played(refused, asked) if refused and view.status >= 300 else self._filled(view, asked)  # noqa: PLR2004

    def _not_understood(self, similar: list[Take], asked: Asked) -> Response:
        """Play a recorded answer where it does not depend on arguments and body, or these are as recorded."""
        same = [each for each in similar if _content(each.asked) == _content(asked)]
        if not same and len({(each.response.status, _masked(each.response)) for each in similar}) > 1:
            return UNKNOWN
        return self._played((same or similar)[0], asked)

    def _refused(self, asked: Asked) -> Take | None:
        """Return a recorded refusal of the kind of tenant: on a sibling of the path, else on any path.

        There is none where such a tenant was served, or where the refusals differ in their status.
        """
        if asked.audience == "empty" and (nobody := self._routes.get((*asked.route()[:-1], "none"))):
            return nobody[0]
        if all(each.view is None for each in self._routes.get((*asked.route()[:-1], "one"), [])):
            # Not data: pages are shown to everybody (`GET /metrics`, asked by `demo` only).
            return None
        same = [each for each in self._elsewhere(asked) if each.asked.audience == asked.audience]
        same = [each for each in same if _parent(each.asked) == _parent(asked)] or same
        refusals = [each for each in same if not each.good and each.response.status not in _NO_ROUTE]
        refusals.sort(key=lambda each: each.asked.tenants != asked.tenants)
        served = any(each.good and each.view for each in same)
        return refusals[0] if not served and len({each.response.status for each in refusals}) == 1 else None

    def _elsewhere(self, asked: Asked) -> list[Take]:
        """Return all that is recorded of the method on the port."""
        every = (each for takes in self._methods.values() for each in takes)
        return [
            each for each in every if (each.asked.request.method, each.asked.port) == (asked.request.method, asked.port)
        ]

    def _unknown(self, asked: Asked) -> Response:
        other = self._methods.get(asked.place(), [])
        same = [each for each in other if each.asked.request.method == asked.request.method]
        if same and all(each.view is None for each in same):
            return self._played(same[0], asked)
        if all(each.response.status == 404 for each in other):  # noqa: PLR2004
            # A path without a route; under /api/ Pyroscope has another answer (`GET /api/echo, demo`).
            missing = [
                each
                for (port, path), takes in self._methods.items()
                for each in takes
                if port == asked.port and each.response.status == 404 and path.startswith("/api/")  # noqa: PLR2004
            ]
            missing = [each for each in missing if b'"code":5' in each.response.body]
            found = missing and asked.request.path.startswith("/api/")
            return self._played(missing[0], asked) if found else NOT_FOUND
        if not same:
            # Pages take any method, once they take two (tempo-2.9.0-wrong-methods: `DELETE /api/echo`).
            page = [each for each in other if each.asked.request.method == "POST" and each.good and each.view is None]
            # A sibling tells how a method is refused (`GET /querier.v1.QuerierService/LabelNames, demo`: `allow`).
            refused = [each for each in self._elsewhere(asked) if each.response.status == 405]  # noqa: PLR2004
            if found := page or [each for each in refused if _parent(each.asked) == _parent(asked)]:
                return self._played(found[0], asked)
            return self._settings.adapt(asked.request.path, Response(status=405, kind=""), prefixed=False)
        return UNKNOWN

    def _ranked(self, takes: list[Take], asked: Asked, view: Response | None) -> list[Take]:
        mine, literal = times(asked.text()), ids(asked.text())
        tenant = asked.request.header(TENANT_HEADER)

        def rank(take: Take) -> tuple[Any, ...]:
            recorded = take.asked.text()
            return (
                take.prefixed != bool(self._settings.path_prefix),
                _status(view) != _status(take.view),
                not _alike(view, take.view),
                take.asked.headers() != asked.headers(),
                set(take.asked.request.query) != set(asked.request.query),
                bool(take.asked.request.body) != bool(asked.request.body),
                take.asked.early != asked.early,
                take.tenants != self._settings.tenants,
                take.moved != bool(self._settings.api_prefix),
                take.asked.request.header(TENANT_HEADER) != tenant,
                ids(recorded) != literal,
                _distance(mine, asked.now, times(recorded), take.asked.now),
            )

        return sorted(takes, key=rank)

    def _played(self, take: Take, asked: Asked) -> Response:
        response = self._settings.adapt(asked.request.path, take.response, prefixed=take.prefixed)
        if response.kind.startswith(("application/x-protobuf", "application/protobuf", "application/grpc")):
            return response
        try:
            body = response.body.decode()
        except UnicodeDecodeError:
            return response
        body = shift(body, _offset(take, asked))
        for recorded, mine in zip(ids(take.asked.text()), ids(asked.text()), strict=False):
            body = body.replace(recorded, mine)
        if response.status >= 400 and take.asked.tenants and asked.tenants:  # noqa: PLR2004
            body = body.replace("|".join(take.asked.tenants), "|".join(asked.tenants))
        return replace(response, body=body.encode())

    def _filled(self, view: Response, asked: Asked) -> Response:
        """Return the store's answer with what it leaves out from a recorded answer of the same route."""
        takes = [
            each
            for each in self._methods.get(asked.place(), [])
            if each.good and each.asked.request.method == asked.request.method
        ]
        take = next(iter(self._ranked(takes, asked, view)), None)
        if take is None or not view.body or "json" not in take.response.kind:
            return view
        recorded = json.loads(shift(take.response.body.decode(), _offset(take, asked)))
        body = json.dumps(_completed(json.loads(view.body), recorded), separators=(",", ":"))
        return replace(take.response, body=body.encode(), delay=0.0)

    def _read(self, recording: Recording, settings: Settings, new: NewStore) -> None:
        store, port = new(settings.version, recording.config), recording.source["port"]
        ready = recording.source.get("ready_after_s") or math.inf
        for each in recording.exchanges():
            path = settings.locate(each.request.path) if each.port in {None, port} else each.request.path
            if isinstance(path, Response):
                continue
            take = _take(each, replace(each.request, path=path), recording, settings, store, early=each.at < ready)
            for index, key in (
                (self._takes, take.asked.key()),
                (self._routes, take.asked.route()),
                (self._methods, take.asked.place()),
            ):
                index.setdefault(key, []).append(take)


def ask(request: Request, port: int | None, settings: Settings, *, at: float, now: float, early: bool) -> Asked:
    """Return a request, on a path without prefixes, as it is compared."""
    audience, tenants = settings.audience(request)
    return Asked(request=request, port=port, audience=audience, tenants=tenants, at=at, now=now, early=early)


def tenant_of(asked: Asked) -> str:
    """Return the tenant under which a write is kept."""
    return asked.tenants[0] if asked.audience == "one" else asked.request.header(TENANT_HEADER)


def _take(
    each: Exchange, request: Request, recording: Recording, settings: Settings, store: Store, *, early: bool
) -> Take:
    asked = ask(request, each.port, settings, at=each.at, now=recording.started + each.at, early=early)
    view = look(store, asked)
    keep(store, asked, each.response, tenant_of(asked))
    return Take(
        asked=asked,
        response=each.response,
        view=view,
        prefixed=bool(settings.path_prefix),
        moved=bool(settings.api_prefix),
        tenants=settings.tenants,
    )


def _parent(asked: Asked) -> str:
    return asked.request.path.rpartition("/")[0]


def _content(asked: Asked) -> tuple[Any, ...]:
    return (asked.form()[0], mask_ids(mask(asked.body())))


def _masked(response: Response) -> str:
    return mask_ids(mask(response.body.decode(errors="backslashreplace")))


def _status(view: Response | None) -> int:
    return view.status if view else 0


def _alike(one: Response | None, other: Response | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.status == other.status and mask(one.body.decode()) == mask(other.body.decode())


def _distance(mine: list[float], now: float, recorded: list[float], then: float) -> float:
    """Return how far the times of two requests are apart, each counted from its own moment, and from each other."""
    if len(mine) != len(recorded):
        return math.inf
    pairs = [(one - now) - (other - then) for one, other in zip(mine, recorded, strict=True)]
    apart = [
        (later - earlier) - (then_later - then_earlier)
        for (earlier, later), (then_earlier, then_later) in zip(pairwise(mine), pairwise(recorded), strict=True)
    ]
    return sum(math.log1p(abs(each)) for each in pairs) + 10 * sum(math.log1p(abs(each)) for each in apart)


def _offset(take: Take, asked: Asked) -> float:
    mine, recorded = times(asked.text()), times(take.asked.text())
    if mine and len(mine) == len(recorded):
        return mine[0] - recorded[0]
    return asked.now - take.asked.now


def _completed(mine: Any, recorded: Any) -> Any:
    if not (isinstance(mine, dict) and isinstance(recorded, dict)):
        return mine
    found = {key: _completed(mine[key], recorded.get(key)) for key in mine}
    for key, value in recorded.items():
        if isinstance(value, list) and any(not isinstance(each, int | float) for each in value):
            continue
        # A list of numbers is a time line (`render`): the stand-in has none.
        found.setdefault(key, [0] * len(value) if isinstance(value, list) else value)
    return found
