"""Does a config file fit its program? As strict as Go's `yaml.UnmarshalStrict`: no unknown keys, no wrong types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w|y))+|0")


@dataclass(frozen=True)
class Section:
    """A Go struct: its type's name, as its errors print it, and its fields."""

    type_name: str
    fields: Mapping[str, Kind]


# A field: a Go scalar's name, "duration", "any" (not looked into), a list, a map with free keys, or a section.
Kind = str | Section
YES_NO = {"y", "yes", "n", "no", "on", "off", "true", "false"}


class ConfigError(Exception):
    """The file does not fit; the text is what the Go library would say."""


def load(source: str, shape: Section) -> dict[str, Any]:
    """Parse `source` and check it against `shape`.

    Raises:
        ConfigError: it is not YAML, or does not fit.
    """
    try:
        node = yaml.compose(source, Loader=yaml.SafeLoader)
        content = yaml.safe_load(source)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigError(f"yaml: {line}{getattr(error, 'problem', None) or error}") from error
    if node is None:
        return {}
    problems: list[str] = []
    _check(node, shape, problems)
    if problems:
        raise ConfigError("yaml: unmarshal errors:\n  " + "\n  ".join(problems))
    return dict(content)


def _check(node: yaml.Node, kind: Kind, problems: list[str]) -> None:
    if isinstance(kind, Section):
        _check_section(node, kind, problems)
    elif kind == "list":
        _expect(isinstance(node, yaml.SequenceNode) or _is_null(node), node, "[]string", problems)
    elif kind == "map":
        _expect(isinstance(node, yaml.MappingNode) or _is_null(node), node, "map[string]interface {}", problems)
    elif kind != "any":
        _expect(_is_scalar(node, kind), node, _go_type(kind), problems)


def _check_section(node: yaml.Node, section: Section, problems: list[str]) -> None:
    if _is_null(node):
        return
    if not isinstance(node, yaml.MappingNode):
        _expect(False, node, section.type_name, problems)
        return
    seen: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            problems.append(f"line {line}: field {name} already set in type {section.type_name}")
        elif name not in section.fields:
            problems.append(f"line {line}: field {name} not found in type {section.type_name}")
        else:
            _check(value, section.fields[name], problems)
        seen.add(name)


def _expect(fits: bool, node: yaml.Node, wanted: str, problems: list[str]) -> None:
    if not fits:
        shown = f" `{str(node.value)[:10]}`" if isinstance(node, yaml.ScalarNode) else ""
        tag = "!!" + node.tag.rsplit(":", 1)[-1]
        problems.append(f"line {node.start_mark.line + 1}: cannot unmarshal {tag}{shown} into {wanted}")


def _is_scalar(node: yaml.Node, kind: str) -> bool:
    if not isinstance(node, yaml.ScalarNode):
        return False
    value, tag = node.value, node.tag.rsplit(":", 1)[-1]
    if tag == "null" or value == "":
        return True
    return {
        "string": True,
        "bool": tag == "bool" or value.lower() in YES_NO,
        "int": tag == "int",
        "float": tag in {"int", "float"},
        "duration": DURATION.fullmatch(value) is not None,
    }[kind]


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


def _go_type(kind: str) -> str:
    return {"duration": "time.Duration", "float": "float64"}.get(kind, kind)
