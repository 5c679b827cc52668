"""A Terraform change as lines for a person: what, from what, to what."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lgtm_deploy.core.ports import ResourceChange

_SIGNS: Mapping[tuple[str, ...], str] = {("create",): "+ create", ("update",): "~", ("delete",): "- destroy"}


def describe(change: ResourceChange) -> tuple[str, ...]:
    """One line per attribute that changes in place, or one for the whole resource, signed as Terraform signs them."""
    sign = _SIGNS.get(change.actions, "- replace" if "delete" in change.actions else "/".join(change.actions))
    if sign != "~":
        return (f"{sign} {change.address}",)
    lines = tuple(
        f"~ {change.address}: {path} {_spell(before)} -> {_spell(after)}"
        for path, before, after in differences(change.before, change.after)
    )
    return lines or (f"~ {change.address}",)


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ, by dotted path. A list of one is written as what is in it, as Terraform blocks are."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else key)
    elif _is_block(before) and _is_block(after):
        yield from differences(before[0], after[0], path)
    elif before != after:
        yield path, before, after


def _is_block(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], Mapping)


def _spell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
