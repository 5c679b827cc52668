"""Where does the Pyroscope stand-in keep stacks, and what flame graph do they make? In memory, per tenant."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import selectors

# What Pyroscope makes of the suffix of a name given to /ingest.
PROFILE_TYPES = {
    "cpu": "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
    "wall": "wall:wall:nanoseconds:wall:nanoseconds",
    "alloc_objects": "memory:alloc_objects:count:space:bytes",
    "alloc_space": "memory:alloc_space:bytes:space:bytes",
    "inuse_objects": "memory:inuse_objects:count:space:bytes",
    "inuse_space": "memory:inuse_space:bytes:space:bytes",
}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Times above this are in milliseconds, above its thousandfold square in nanoseconds.
_LARGEST_SECONDS = 1e11


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One upload: its labels, its time in seconds, and how often each stack was seen."""

    labels: Mapping[str, str]
    at: float
    stacks: Mapping[tuple[str, ...], int]


class ProfileStore:
    """Profiles by tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._profiles: dict[str, list[Profile]] = {}

    def add(self, tenant: str, profile: Profile) -> None:
        """Keep one profile."""
        with self._lock:
            self._profiles.setdefault(tenant, []).append(profile)

    def between(self, tenant: str, start: float, end: float) -> list[Profile]:
        """The profiles of a span of time, in seconds."""
        # Whole seconds: `from` and `until` are often given so.
        return [one for one in self._of(tenant) if start - 1 <= one.at <= end + 1]

    def names(self, tenant: str) -> list[str]:
        """The label names in use."""
        return sorted({name for one in self._of(tenant) for name in one.labels})

    def values(self, tenant: str, label: str) -> list[str]:
        """The values of a label in use."""
        return sorted({one.labels[label] for one in self._of(tenant) if label in one.labels})

    def _of(self, tenant: str) -> list[Profile]:
        with self._lock:
            return list(self._profiles.get(tenant, ()))


def parse_name(name: str) -> dict[str, str]:
    """The labels of `app.cpu{run="1"}`.

    Raises:
        ValueError: it is not such a name.
    """
    # Pyroscope takes values without quotes too: `app.cpu{run=1}`.
    quoted = re.sub(r"=\s*([^\"\s,{}]+)", r'="\1"', name)
    matchers = selectors.parse(quoted, "__profile_name__")
    labels = {one.label: one.value for one in matchers}
    if "__profile_name__" not in labels:
        raise ValueError(f"invalid application name: {name}")
    application, _, suffix = labels["__profile_name__"].rpartition(".")
    kind = PROFILE_TYPES.get(suffix, PROFILE_TYPES["cpu"])
    service = application if suffix in PROFILE_TYPES and application else labels["__profile_name__"]
    return {"service_name": service} | labels | {"__profile_type__": kind, "__name__": kind.split(":")[0]}


def parse_folded(body: str, *, counted: bool) -> dict[tuple[str, ...], int]:
    """Stacks and their counts, from lines like `a;b 10`; one each, where lines are not counted.

    Raises:
        ValueError: a line has no number.
    """
    stacks: dict[tuple[str, ...], int] = {}
    for line in filter(str.strip, body.splitlines()):
        frames, _, count = line.rpartition(" ") if counted else (line, "", "1")
        stack = tuple(frames.split(";"))
        stacks[stack] = stacks.get(stack, 0) + int(count)
    return stacks


def parse_time(given: str, now: float) -> float:
    """A time in seconds, from seconds, milliseconds, nanoseconds, `now` or `now-1h`; `now` where nothing is given."""
    if ago := re.fullmatch(r"now-(\d+)([smhd])", given):
        return now - int(ago[1]) * _UNITS[ago[2]]
    if not given or given == "now":
        return now
    value = float(given)
    while value > _LARGEST_SECONDS:
        value /= 1000
    return value


def flamegraph(profiles: Iterable[Profile]) -> dict[str, Any]:
    """The merged stacks in Pyroscope's flame graph form: names, and levels of (offset, total, self, name)."""
    root = _Node("total")
    for profile in profiles:
        for stack, count in profile.stacks.items():
            root.add(stack, count)
    layout = _Layout()
    layout.place(root)
    return {
        "names": layout.names,
        "levels": layout.levels,
        "numTicks": root.total,
        "maxSelf": max(level[at] for level in layout.levels for at in range(2, len(level), 4)),
    }


class _Node:
    def __init__(self, name: str) -> None:
        self.name, self.total, self.own = name, 0, 0
        self.children: dict[str, _Node] = {}

    def add(self, stack: tuple[str, ...], count: int) -> None:
        self.total += count
        if not stack:
            self.own += count
        else:
            self.children.setdefault(stack[0], _Node(stack[0])).add(stack[1:], count)


class _Layout:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.levels: list[list[int]] = []
        self._ends: list[int] = []

    def place(self, node: _Node, depth: int = 0, start: int = 0) -> None:
        if depth == len(self.levels):
            self.levels.append([])
            self._ends.append(0)
        if node.name not in self.names:
            self.names.append(node.name)
        # Offsets are counted from the end of the bar before it on the same level.
        self.levels[depth] += [start - self._ends[depth], node.total, node.own, self.names.index(node.name)]
        self._ends[depth] = start + node.total
        for name in sorted(node.children):
            child = node.children[name]
            self.place(child, depth + 1, start)
            start += child.total
