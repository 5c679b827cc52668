"""A request as recordings are compared with it: where it goes, for whom, at which moment, and what it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from . import protobuf
from .listener import Request, Response
from .recordings import mask, mask_ids

# The headers that decide an answer. Of `Accept` only protobuf does (`by id, Accept text/html`).
_HEADERS = ("content-type", "content-encoding", "connect-protocol-version", "x-prometheus-remote-write-version")
_USUAL = {"connect-protocol-version": "1", "x-prometheus-remote-write-version": "0.1.0"}
_NAMED = re.compile(r"/(traces|tag|label)/[^/]+")

Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request on a path without prefixes."""

    request: Request
    port: int | None
    """Another port than the main one."""
    audience: str
    tenants: tuple[str, ...]
    at: float
    """Seconds since the start, those of the recording."""
    now: float
    early: bool

    def key(self) -> Key:
        """Return all that two requests share that get the same answer."""
        path = mask_ids(self.request.path)
        return (self.request.method, self.port, path, self.audience, *self.form(), mask_ids(mask(self.body())))

    def form(self) -> Key:
        """Return the arguments and headers that decide an answer."""
        pairs = [(key, mask_ids(mask(value))) for key, values in self.request.query.items() for value in values]
        return (tuple(sorted(pairs)), *self.headers())

    def headers(self) -> Key:
        """Return the headers that decide an answer."""
        request = self.request
        wanted = _HEADERS if request.method in {"POST", "PUT", "PATCH"} else ()
        found = [(key, request.header(key)) for key in wanted if request.header(key) not in {"", _USUAL.get(key)}]
        return (tuple(found), "protobuf" in request.header("accept"), self._unzips())

    def place(self) -> Key:
        """Return the port and the path, without names of traces, tags and labels in it."""
        return (self.port, _NAMED.sub(r"/\1/@", self.request.path))

    def route(self) -> Key:
        """Return the method, the place, and the kind of tenant."""
        return (self.request.method, *self.place(), self.audience)

    def text(self) -> str:
        """Return all that may hold times or IDs."""
        pairs = [f"{key}={value}" for key, values in sorted(self.request.query.items()) for value in values]
        return " ".join([self.request.path, *pairs, self.body()])

    def body(self) -> str:
        """Return the body as a text that is the same however a client spells and packs it."""
        try:
            body = self.request.content()
        except ValueError:
            body = self.request.body
        if body[:1] in {b"{", b"["}:
            try:
                return json.dumps(json.loads(body), sort_keys=True)
            except ValueError:
                pass
        if body.isascii() and b"\0" not in body:
            return body.decode("ascii")
        try:
            return protobuf.spell(protobuf.decompress(body))
        except ValueError:
            return protobuf.spell(body)

    def _unzips(self) -> bool:
        try:
            self.request.content()
        except ValueError:
            return False
        return True


class Store(Protocol):
    """Keeps what clients write, and answers from it."""

    def write(self, asked: Asked, tenant: str) -> None:
        """Keep an accepted write. Raises ValueError where it is none."""

    def view(self, asked: Asked) -> Response | None:
        """Answer a request; None where it is not understood."""


class NewStore(Protocol):
    """Makes an empty store."""

    def __call__(self, version: str, config: Mapping[str, Any]) -> Store:
        """Return a store for a version and its configuration."""


# The reasons for which a store does not understand a request.
WRONG = (ValueError, KeyError, IndexError, TypeError, AttributeError)


def look(store: Store, asked: Asked) -> Response | None:
    """Return the store's answer; None where it does not understand the request."""
    try:
        return store.view(asked) if asked.tenants else None
    except WRONG:
        return None


def keep(store: Store, asked: Asked, response: Response, tenant: str) -> None:
    """Give an accepted write to the store."""
    if 200 <= response.status < 300 and asked.request.method == "POST" and not response.hangs:  # noqa: PLR2004
        try:
            store.write(asked, tenant)
        except WRONG:
            return
