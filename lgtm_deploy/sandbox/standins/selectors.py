"""Selectors `name{label="value"}`, as PromQL, LogQL and Pyroscope share them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:.\-]*)?\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|`[^`]*`)\s*(?:,|$)')


class SelectorError(ValueError):
    """The text is not a selector."""


@dataclass(frozen=True)
class Matcher:
    """One condition on a label."""

    label: str
    operator: str
    value: str

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Return whether these labels satisfy it; a label that is not there counts as empty."""
        found = labels.get(self.label, "")
        same = found == self.value if self.operator in {"=", "!="} else re.fullmatch(self.value, found) is not None
        return same is (self.operator in {"=", "=~"})


def parse(source: str, name_label: str = "__name__") -> list[Matcher]:
    """Read a selector.

    Raises:
        SelectorError: it is not one.
    """
    whole = _NAME.fullmatch(source)
    if whole is None or not source.strip():
        raise SelectorError(f"not a selector: {source}")
    found = [Matcher(name_label, "=", whole[1])] if whole[1] else []
    return found + _matchers((whole[2] or "").strip())


def _matchers(inside: str) -> list[Matcher]:
    found, position = [], 0
    while position < len(inside):
        one = _MATCHER.match(inside, position)
        if one is None:
            raise SelectorError(f"not a label matcher: {inside[position:]}")
        value = one[3][1:-1]
        if one[3][0] == '"':
            value = value.replace('\\"', '"').replace("\\\\", "\\")
        found.append(Matcher(one[1], one[2], value))
        position = one.end()
    return found


def fits(matchers: list[Matcher], labels: Mapping[str, str]) -> bool:
    """Return whether all conditions hold."""
    return all(matcher.fits(labels) for matcher in matchers)
