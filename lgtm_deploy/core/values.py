"""Plain values, as YAML and JSON have them, as the dataclasses that steps work with."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints


def typed(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """The dataclass of these values, and what is in it: lists become tuples, maps become the dataclasses that they
    stand for. What the dataclass does not know is passed over."""
    kinds = _kinds(kind)  # type: ignore[arg-type]
    return kind(**{name: _valued(kinds[name], value) for name, value in values.items() if name in kinds})


@cache
def _kinds(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _valued(kind: Any, value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    inner = get_args(kind)
    if is_dataclass(kind) and isinstance(value, Mapping):
        return typed(kind, value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        each = inner[0] if get_origin(kind) is tuple else Any
        return tuple(_valued(each, item) for item in value)
    if isinstance(value, Mapping) and get_origin(kind) is Mapping:
        return {key: _valued(inner[1], item) for key, item in value.items()}
    return value
