"""Shapes of bodies: keys and kinds, with times, ids, versions and numbers masked."""

import json
import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_BUILD = ("version", "revision", "branch", "buildDate", "buildUser", "goVersion")
# Statistics differ from run to run. Protobuf's JSON leaves out a count of 0, so their keys differ as well.
_STATISTICS = ("stats", "metrics")
_KEY = re.compile(r'"(\w+)":')
_MASKS = (
    (re.compile(r"[ \u00a0]+"), " "),  # protobuf chooses the kind and number of spaces for each build
    (re.compile(r"(?:[\w.@+-]*/)*[\w.-]+\.(?:go|s):\d+"), "<source>"),  # depends on how the server was built
    (re.compile(r"(branch|revision|build user|build date|go version)([:=]\s*)[^\s,)]*"), r"\1\2<build>"),
    (re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z| ?[+-]\d\d:?\d\d(?: [A-Z]+)?)?"), "<time>"),
    (re.compile(r"[A-Z][a-z]{2} \d+, \d{4} at \d+:\d\d[ap]m"), "<time>"),
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b|\b[0-9a-fA-F]{16,}\b"), "<id>"),
    (re.compile(r"\bv?\d+\.\d+\.\d+(?:-[\w.]+)?\b"), "<version>"),
    (re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?:(?:ns|us|µs|ms|s|m|h)(?![A-Za-z]))?"), "#"),
)


def masked(text: str) -> str:
    """Return text with times, ids, versions and numbers masked."""
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def shape(value: object, *, statistics: bool = True) -> object:
    """Return the shape of parsed JSON: keys, sets of shapes, kinds of scalars, masked strings.

    Without `statistics` their contents are left out; their keys stay.
    """
    if isinstance(value, dict):
        return {masked(key): _field(key, each, statistics=statistics) for key, each in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(each, statistics=statistics), sort_keys=True) for each in value})
    if isinstance(value, str):
        return masked(value)
    return type(value).__name__.replace("float", "int")


def body_shape(recorded: Json, body: str, *, statistics: bool = True) -> tuple[object, object]:
    """Return the shapes of a recorded body and of another one, comparable with ==.

    Of JSON that was cut, compare the keys in the first half of each body that the other body lacks.
    """
    text = recorded.get("body", "")
    if "body_cut_from" in recorded:
        beginning = body[: len(text)]
        if text.startswith(("{", "[")):
            return _lacking(text, body), _lacking(beginning, text)
        half = len(text) // 2
        return masked(text)[:half], masked(beginning)[:half]
    return _whole(text, statistics=statistics), _whole(body, statistics=statistics)


def differences(recorded: object, found: object, path: str = "") -> Iterator[str]:
    """Yield a line for each place at which two shapes differ."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in sorted(recorded.keys() | found.keys()):
            if key not in found:
                yield f"{path}.{key}: lacking"
            elif key not in recorded:
                yield f"{path}.{key}: not recorded"
            else:
                yield from differences(recorded[key], found[key], f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(found, list):
        for each in sorted({*recorded} ^ {*found}):
            yield f"{path}[]: {'lacking' if each in recorded else 'not recorded'}: {each}"
    elif recorded != found:
        left, right = json.dumps(recorded, ensure_ascii=False), json.dumps(found, ensure_ascii=False)
        same = next((place for place, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), 0)
        part = slice(max(0, same - 20), same + 60)
        yield f"{path}: {left[part]} recorded, {right[part]} found"


def _field(key: str, value: object, *, statistics: bool) -> object:
    if key in _BUILD:
        return "<build>"
    if key in _STATISTICS and not statistics and isinstance(value, dict):
        return "<statistics>"
    return shape(value, statistics=statistics)


def _whole(text: str, *, statistics: bool) -> object:
    try:
        return shape(json.loads(text), statistics=statistics)
    except ValueError:
        return sorted(set(masked(text).splitlines()))


def _lacking(text: str, other: str) -> list[str]:
    return sorted({*_KEY.findall(text[: len(text) // 2])} - {*_KEY.findall(other)})
