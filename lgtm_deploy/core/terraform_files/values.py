"""Values of Terraform expressions, as far as the files say them.

Known are literals, templates, `var`, `local` and `each` with their attributes and indices, `toset` and its like, and
the keys of a `for` that keeps them, and one of two plain values (`var.x ? 1 : 0`). Everything else is UNKNOWN, and a
template with such a part is a `Template`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lgtm_deploy.core.terraform_files.hcl import NotHclError, attributes, parsed

Fit = Literal["yes", "no", "perhaps"]


class _Unknown:
    """A value that only Terraform can know."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
# What is nested deeper is not known.
_DEEPEST = 20
_CONVERSION = re.compile(r"^(?:toset|tolist|tomap)\((?P<inner>.*)\)$", re.DOTALL)
_FOR = re.compile(
    r"^\{\s*for\s+(?P<key>\w+)(?:\s*,\s*\w+)?\s+in\s+(?P<over>[^:{}]+?)\s*:\s*(?P<result>\w+)\s*=>", re.DOTALL
)
_CONDITIONAL = re.compile(r"^(?P<condition>[\w.-]+)\s*\?\s*(?P<yes>[\w.-]+)\s*:\s*(?P<no>[\w.-]+)$")
_TRAVERSAL = re.compile(r"^(?P<kind>var|local|each)\.(?P<name>[A-Za-z_][\w-]*)(?P<rest>.*)$", re.DOTALL)
_STEP = re.compile(r"^\s*(?:\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\])", re.DOTALL)
_NUMBER = re.compile(r"^-?\d+(?:\.\d+)?$")
_LITERALS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Template:
    """A text with parts that are not known (None)."""

    parts: tuple[str | None, ...]

    def fits(self, text: str) -> bool:
        """Return whether it may be that text."""
        pattern = "".join(".*" if part is None else re.escape(part) for part in self.parts)
        return re.fullmatch(pattern, text, re.DOTALL) is not None


def fit(value: Any, text: str) -> Fit:
    """Return whether a value is that text."""
    if isinstance(value, str):
        return "yes" if value == text else "no"
    if isinstance(value, Template):
        return "perhaps" if value.fits(text) else "no"
    return "perhaps" if value is UNKNOWN else "no"


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What an expression of a module may name. `locals` are not evaluated yet; `each` is key and value of an instance
    of `for_each`, None outside one. `certain`: the files say that the instance is there. `known` are the
    values of locals, as far as they were asked for."""

    variables: Mapping[str, Any] = field(default_factory=dict)
    locals: Mapping[str, Any] = field(default_factory=dict)
    each: tuple[Any, Any] | None = None
    certain: bool = True
    depth: int = 0
    known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def value(self, written: Any) -> Any:
        """Return the value of what python-hcl2 gives for an attribute."""
        if self.depth > _DEEPEST:
            return UNKNOWN
        if isinstance(written, Mapping):
            keys = {key: self._key(key) for key in attributes(written)}
            known = all(isinstance(key, str) for key in keys.values())
            return {key: self.value(written[name]) for name, key in keys.items()} if known else UNKNOWN
        if isinstance(written, list):
            return [self.value(each) for each in written]
        if not isinstance(written, str):
            return written
        is_wrapped = written.startswith("${") and written.endswith("}")
        return self.expression(written[2:-1] if is_wrapped else written)

    def expression(self, text: str) -> Any:
        """Return the value of an expression as it stands in a file."""
        text = text.strip()
        found = self._scalar(text)
        return self._compound(text) if found is UNKNOWN else found

    def _scalar(self, text: str) -> Any:
        if text.startswith('"') and text.endswith('"'):
            return self._template(text[1:-1])
        if _NUMBER.match(text):
            return float(text) if "." in text else int(text)
        return _LITERALS.get(text, UNKNOWN)

    def _compound(self, text: str) -> Any:
        if found := _CONVERSION.match(text):
            return self.expression(found["inner"])
        if (found := _FOR.match(text)) and found["key"] == found["result"]:
            over = self.expression(found["over"])
            return dict.fromkeys(over, UNKNOWN) if isinstance(over, Mapping) else UNKNOWN
        if found := _CONDITIONAL.match(text):
            condition = self.expression(found["condition"])
            return self.expression(found["yes" if condition else "no"]) if isinstance(condition, bool) else UNKNOWN
        if found := _TRAVERSAL.match(text):
            return self._traversed(found["kind"], found["name"], found["rest"])
        return self._literal(text) if text.startswith(("[", "{")) else UNKNOWN

    def instances(self, body: Mapping[str, Any]) -> "list[Scope]":
        """Return the scope of each instance of a block: one without `for_each`. With `count` one stands for all."""
        if "for_each" not in body:
            count = _count(self.value(body.get("count", 1)))
            return [replace(self, each=None, certain=self.certain and count is not None)] if count != 0 else []
        over = self.value(body["for_each"])
        if isinstance(over, Mapping):
            return [replace(self, each=pair) for pair in over.items()]
        if isinstance(over, list):
            return [replace(self, each=(each, each)) for each in over]
        return [replace(self, each=(UNKNOWN, UNKNOWN), certain=False)]

    def _key(self, key: str) -> Any:
        if key.startswith(('"', "${")):
            return self.value(key)
        return key

    def _literal(self, text: str) -> Any:
        try:
            return replace(self, depth=self.depth + 1).value(parsed(f"value = {text}")["value"])
        except (NotHclError, KeyError):
            return UNKNOWN

    def _traversed(self, kind: str, name: str, rest: str) -> Any:
        if kind == "var":
            found = self.variables.get(name, UNKNOWN)
        elif kind == "local":
            found = self._local(name)
        elif self.each is None or name not in ("key", "value"):
            found = UNKNOWN
        else:
            found = self.each[0 if name == "key" else 1]
        while rest.strip():
            step = _STEP.match(rest)
            if step is None:
                return UNKNOWN
            rest = rest[step.end() :]
            found = _part(found, step["name"] if step["name"] else self.expression(step["index"]))
        return found

    def _local(self, name: str) -> Any:
        """Return the value of a local. While it is looked for it is unknown: a circle is Terraform's to refuse."""
        if name not in self.known:
            self.known[name] = UNKNOWN
            inner = replace(self, each=None, depth=self.depth + 1)
            self.known[name] = inner.value(self.locals[name]) if name in self.locals else UNKNOWN
        return self.known[name]

    def _template(self, text: str) -> Any:
        parts: list[str | None] = []
        split = _split(text)
        if any('"' in literal.replace('\\"', "") for literal, _ in split):
            # Two texts and what is between them, such as a comparison.
            return UNKNOWN
        for literal, expression in split:
            parts.append(literal)
            if expression is not None:
                value = self.expression(expression)
                parts += value.parts if isinstance(value, Template) else [_text(value)]
        if None in parts:
            return Template(tuple(parts))
        return "".join(part or "" for part in parts)


def _part(holder: Any, key: Any) -> Any:
    if isinstance(holder, Mapping) and isinstance(key, str):
        return holder.get(key, UNKNOWN)
    if isinstance(holder, list) and isinstance(key, int) and 0 <= key < len(holder):
        return holder[key]
    return UNKNOWN


def _count(value: Any) -> int | None:
    """Return how many instances there are; None: the files do not say."""
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _split(text: str) -> list[tuple[str, str | None]]:
    """Return literal parts of a template, each with the expression after it (None: the end)."""
    found: list[tuple[str, str | None]] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        depth, end = 1, start + 2
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found.append((text[at:start], text[start + 2 : end - 1]))
        at = end
    return [*found, (text[at:], None)]
