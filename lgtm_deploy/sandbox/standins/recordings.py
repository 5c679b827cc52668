"""The recordings of the real servers, and how a recorded time becomes one of today."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from .listener import Request, Response, request_of

# Seconds since 1970 in 2023 to 2030, alone or with milli-, micro- or nanoseconds, and a fraction.
_NUMBER = re.compile(r"(?<![\d.])(1[6-8]\d{8})(\d{9}|\d{6}|\d{3})?(\.\d+)?(?!\d)")
_STAMP = re.compile(r"(20\d\d-\d\d-\d\d)([T ])(\d\d)(:|%3A)(\d\d)(:|%3A)(\d\d)(\.\d+)?")
_ID = re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{32}(?![0-9a-fA-F])")


def folder() -> Path:
    """Return the folder of recordings; STANDIN_RECORDINGS names another one than the packaged."""
    return Path(os.environ.get("STANDIN_RECORDINGS") or Path(__file__).with_name("recordings"))


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One recorded request and its answer."""

    name: str
    at: float
    request: Request
    port: int | None
    response: Response


@dataclass(kw_only=True)
class Recording:
    """One file."""

    name: str
    source: Mapping[str, Any]

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The parsed configuration."""
        return yaml.safe_load(self.source["config_yaml"]) or {}

    @cached_property
    def started(self) -> float:
        """The start of the server, in seconds since 1970: `early:` requests and all others count from there."""
        base = self.source.get("base_time_unix_s")
        first = next((e["at_s"] for e in self.source.get("exchanges", ()) if not e["name"].startswith("early")), 0.0)
        return float(base or 0) - float(first)

    def exchanges(self) -> Iterator[Exchange]:
        """Yield the exchanges in order."""
        for each in self.source.get("exchanges", ()):
            asked = each["request"]
            yield Exchange(
                name=each["name"],
                at=each["at_s"],
                request=request_of(asked["method"], asked["path"], asked.get("headers") or {}, _content(asked)),
                port=asked.get("port"),
                response=_response(each["response"]),
            )


def load(service: str, version: str) -> list[Recording]:
    """Read the recordings of one version of a server."""
    found = []
    for path in sorted(folder().glob(f"{service}-{version}-*.json")):
        found.append(Recording(name=path.stem, source=json.loads(path.read_text())))
    return found


def times(source: str) -> list[float]:
    """Return the times in a text, in seconds since 1970."""
    numbers = [(each.start(), float(each[1] + (each[3] or ""))) for each in _NUMBER.finditer(source)]
    stamps = [(each.start(), _moment(each).timestamp()) for each in _STAMP.finditer(source)]
    return [moment for _, moment in sorted(numbers + stamps)]


def mask(source: str) -> str:
    """Replace the times in a text."""
    return _STAMP.sub("#", _NUMBER.sub("#", source))


def mask_ids(source: str) -> str:
    """Replace trace and run IDs in a text."""
    return _ID.sub("@", source)


def ids(source: str) -> list[str]:
    """Return the trace and run IDs in a text."""
    return _ID.findall(source)


def shift(source: str, seconds: float) -> str:
    """Move the times in a text."""

    def number(found: re.Match[str]) -> str:
        whole = int(found[1]) + round(seconds)
        return f"{whole}{found[2] or ''}{found[3] or ''}"

    def stamp(found: re.Match[str]) -> str:
        moved = _moment(found) + timedelta(seconds=round(seconds))
        return f"{moved:%Y-%m-%d}{found[2]}{moved:%H}{found[4]}{moved:%M}{found[6]}{moved:%S}{found[8] or ''}"

    return _STAMP.sub(stamp, _NUMBER.sub(number, source))


def complete(source: str) -> str:
    """Close a JSON text that was cut: what there is stays, the open strings, objects and lists are closed."""
    closing: list[str] = []
    inside = escaped = key = False
    last = ""
    for mark in source:
        if inside:
            inside = escaped or mark != '"'
            escaped = mark == "\\" and not escaped
            continue
        if mark == '"':
            inside, key = True, closing[-1:] == ["}"] and last in "{,"
        elif mark in "{[":
            closing.append("}" if mark == "{" else "]")
        elif mark in "}]":
            closing.pop()
        if not mark.isspace():
            last = mark
    end = "\\" * escaped + '"' * inside
    if last == '"':
        end += ":0" * key
    elif last in ":,":
        end += '"cut":0' if last == "," and closing[-1:] == ["}"] else "0"
    return source + end + "".join(reversed(closing))


def _moment(found: re.Match[str]) -> datetime:
    day = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    return day + timedelta(hours=int(found[3]), minutes=int(found[5]), seconds=int(found[7]))


def _content(source: Mapping[str, Any]) -> bytes:
    if source.get("body_base64"):
        return base64.b64decode(source["body_base64"])
    return str(source.get("body") or "").encode()


def _response(source: Mapping[str, Any]) -> Response:
    headers = source.get("headers") or {}
    kind = headers.get("content-type", "")
    body = _content(source)
    if source.get("body_cut_from") and "json" in kind:
        body = complete(body.decode()).encode()
    error = str(source.get("error", ""))
    return Response(
        status=source["status"],
        body=body,
        kind=kind,
        headers={
            **{key: value for key, value in headers.items() if key in {"location", "www-authenticate"}},
            **(source.get("other_headers") or {}),
        },
        delay=float(source.get("took_s") or 0) if source["status"] else 0.0,
        hangs=source["status"] == 0 and "timed out" in error,
        drops=source["status"] == 0 and "timed out" not in error,
    )
