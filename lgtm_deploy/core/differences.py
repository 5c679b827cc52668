"""Where do before and after differ in a change of a Terraform plan? Nothing that is sensitive leaves here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lgtm_deploy.core.secrecy import SENSITIVE, SENSITIVE_CHANGED, UNKNOWN, item_of, masked

NOT_SENSITIVE = "(not sensitive)"
_WORDS = (SENSITIVE, SENSITIVE_CHANGED, UNKNOWN, NOT_SENSITIVE)
# A policy document of ten thousand characters tells nobody anything.
_LONGEST = 160


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One attribute that a change changes, its values masked where they are sensitive. A block of one is written
    without its index. `unknown`: what it will be is known only after the apply."""

    path: tuple[str, ...]
    before: Any
    after: Any
    unknown: bool = False

    @property
    def name(self) -> str:
        """The dotted path."""
        return ".".join(self.path)

    def __str__(self) -> str:
        """`health_check.path "/ready" -> "/tempo/ready"`."""
        return f"{self.name} {_spell(self.before)} -> {_spell(self.after)}".lstrip()


@dataclass(frozen=True, kw_only=True)
class _Side:
    """A value, and what of it is sensitive: `true`, or marks in the value's own shape."""

    value: Any
    hidden: Any

    def at(self, part: str | int) -> "_Side":
        if isinstance(part, int):
            return _Side(value=item_of(self.value, part), hidden=item_of(self.hidden, part))
        return _Side(value=self.value.get(part), hidden=_object(self.hidden).get(part))

    def shown(self, other: "_Side") -> Any:
        return masked(self.value, self.hidden, other.value)


def differences(change: Mapping[str, Any]) -> Iterator[Difference]:
    """Every attribute that differs, is unknown after the apply, or becomes (or ceases to be) sensitive.

    An attribute that is `null` and one that is not there are the same (Terraform: JSON output, value representation).
    """
    before = _Side(value=change.get("before"), hidden=change.get("before_sensitive"))
    after = _Side(value=change.get("after"), hidden=change.get("after_sensitive"))
    yield from _between(before, after, change.get("after_unknown"), ())


def holds(marks: Any) -> bool:
    """Whether there is any `true` in marks such as `after_unknown`."""
    if isinstance(marks, Mapping):
        return any(map(holds, marks.values()))
    if isinstance(marks, list):
        return any(map(holds, marks))
    return bool(marks)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: `1` is not `true`."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _between(before: _Side, after: _Side, unknown: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if unknown is True or before.hidden is True or after.hidden is True:
        yield from _leaf(before, after, unknown, path)
    elif isinstance(before.value, Mapping) and isinstance(after.value, Mapping):
        marks = _object(unknown)
        for key in sorted(before.value.keys() | after.value.keys() | marks.keys()):
            yield from _between(before.at(key), after.at(key), marks.get(key), (*path, key))
    elif _are_alike(before.value, after.value):
        for index in range(len(before.value)):
            # Terraform's blocks are lists; nobody calls the only one by its number.
            inner = path if _is_block(before.value) and _is_block(after.value) else (*path, str(index))
            yield from _between(before.at(index), after.at(index), item_of(unknown, index), inner)
    else:
        yield from _leaf(before, after, unknown, path)


def _leaf(before: _Side, after: _Side, unknown: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    was_hidden, is_hidden = holds(before.hidden), holds(after.hidden)
    if holds(unknown):
        yield Difference(path=path, before=before.shown(before), after=UNKNOWN, unknown=True)
    elif not same(before.value, after.value):
        if before.hidden is True or after.hidden is True:
            yield Difference(path=path, before=SENSITIVE, after=SENSITIVE_CHANGED)
        else:
            yield Difference(path=path, before=before.shown(before), after=after.shown(before))
    elif was_hidden != is_hidden:
        words = {True: SENSITIVE, False: NOT_SENSITIVE}
        yield Difference(path=path, before=words[was_hidden], after=words[is_hidden])


def _are_alike(one: Any, other: Any) -> bool:
    return isinstance(one, list) and isinstance(other, list) and len(one) == len(other)


def _is_block(value: Sequence[Any]) -> bool:
    return len(value) == 1 and isinstance(value[0], Mapping)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _spell(value: Any) -> str:
    if isinstance(value, str) and value in _WORDS:
        return value
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
