"""Reads a config file as strictly as Go's `yaml.UnmarshalStrict`: no unknown keys, no wrong types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SHAPES = Path(__file__).with_name("shapes")
DURATION = re.compile(r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0")
# Prometheus' durations, in limits: whole numbers, days to years too.
PROM_DURATION = re.compile(r"(\d+(ms|[smhdwy]))+|0")
YES_NO = {"y", "yes", "n", "no", "on", "off", "true", "false"}


@dataclass(frozen=True)
class Section:
    """A Go struct: its type's name, as its errors print it, and its fields."""

    type_name: str
    fields: Mapping[str, Kind]


# A field: a Go scalar's name, "duration", "any" (not looked into), a list, a map with free keys, or a section.
Kind = str | Section


class ConfigError(Exception):
    """The file does not fit; the text is what the Go library would say."""


def shape_of(service: str, version: str) -> Section:
    """Return the keys that a version of a server knows."""
    common = yaml.safe_load((SHAPES / "common.yaml").read_text())
    return _section(yaml.safe_load((SHAPES / f"{service}.yaml").read_text()), common, version)


def load(source: str, shape: Section) -> dict[str, Any]:
    """Parse `source` and check it against `shape`. Raises ConfigError."""
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


def _section(source: Mapping[str, Any], common: Mapping[str, Any], version: str) -> Section:
    fields: dict[str, Kind] = {}
    for kind, names in source.items():
        if kind == "sections":
            for name, inner in names.items():
                fields[name] = _section(common[inner] if isinstance(inner, str) else inner, common, version)
        elif kind not in {"type", "without"}:
            fields |= dict.fromkeys(names.split(), kind)
    for name in (source.get("without") or {}).get(version, "").split():
        del fields[name]
    return Section(source["type"], fields)


def _check(node: yaml.Node, kind: Kind, problems: list[str]) -> None:
    if isinstance(kind, Section):
        _check_section(node, kind, problems)
    elif kind == "list":
        _expect(isinstance(node, yaml.SequenceNode) or _is_null(node), node, "[]string", problems)
    elif kind == "map":
        _expect(isinstance(node, yaml.MappingNode) or _is_null(node), node, "map[string]interface {}", problems)
    elif kind != "any":
        _expect(
            _is_scalar(node, kind), node, {"duration": "time.Duration", "float": "float64"}.get(kind, kind), problems
        )


def _check_section(node: yaml.Node, section: Section, problems: list[str]) -> None:
    if _is_null(node):
        return
    if not isinstance(node, yaml.MappingNode):
        _expect(False, node, section.type_name, problems)
        return
    known: set[str] = set()
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in known:
            problems.append(f"line {line}: field {name} already set in type {section.type_name}")
        elif name not in section.fields:
            problems.append(f"line {line}: field {name} not found in type {section.type_name}")
        else:
            _check(value, section.fields[name], problems)
        known.add(name)


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
    if kind == "promduration" and not PROM_DURATION.fullmatch(value):
        # loki-3.5.1-bad-value: the reason stands alone, without a line.
        unit = re.sub(r"[\d.]+", "", value)
        raise ConfigError(f'unknown unit "{unit}" in duration "{value}"')
    return {
        "string": True,
        "bool": tag == "bool" or value.lower() in YES_NO,
        "int": tag == "int",
        "float": tag in {"int", "float"},
        "duration": DURATION.fullmatch(value) is not None,
        "promduration": True,
    }[kind]


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")
