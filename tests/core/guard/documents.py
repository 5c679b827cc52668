"""A real plan of the example's load balancer (Terraform 1.11.4, AWS provider 5.100), and hands to change it with."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lgtm_deploy.core.guard import Allowance

Document = dict[str, Any]
Edit = Callable[[Document], object]

# What plans/prefix-change.yaml allows.
ALLOWED = (Allowance(type="aws_lb_target_group", attributes=("health_check.path", "health_check.matcher")),)

TEMPO = 'module.alb.aws_lb_target_group.this["tempo"]'
PYROSCOPE = 'module.alb.aws_lb_target_group.this["pyroscope"]'
LOKI = 'module.alb.aws_lb_target_group.this["loki"]'
RULE = 'module.alb.aws_lb_listener_rule.this["tempo"]'
BALANCER = "module.alb.aws_lb.this"
LISTENER = "module.alb.aws_lb_listener.http[0]"


@dataclass(frozen=True)
class Mutation:
    """A plan that was changed by hand, and the line that the guard must say of it (none: it is harmless)."""

    name: str
    edit: Edit
    line: str = ""

    @property
    def document(self) -> Document:
        made = real()
        self.edit(made)
        return made


def real() -> Document:
    """A copy of the real plan: Tempo's and Pyroscope's health check paths change, and nothing else."""
    return deepcopy(_loaded())


@cache
def _loaded() -> Document:
    found: Document = json.loads((Path(__file__).parent / "prefix-change.json").read_text(encoding="utf-8"))
    return found


def entry(document: Document, address: str) -> Document:
    """The entry of `resource_changes` with that address."""
    return next(each for each in document["resource_changes"] if each["address"] == address)


def change(document: Document, address: str) -> Document:
    """What happens to the resource with that address."""
    found: Document = entry(document, address)["change"]
    return found


def put(value: Any, path: str, new: Any) -> None:
    """Sets what a dotted path leads to; a number is an index."""
    *way, last = path.split(".")
    for part in way:
        value = value[int(part)] if isinstance(value, list) else value.setdefault(part, {})
    value[int(last) if isinstance(value, list) else last] = new


def after(address: str, path: str, new: Any) -> Edit:
    """The resource's attribute is another one after the apply."""
    return lambda document: put(change(document, address)["after"], path, new)


def both(address: str, path: str, new: Any) -> Edit:
    """The attribute is another one, before and after."""
    return together(
        lambda document: put(change(document, address)["before"], path, new), after(address, path, deepcopy(new))
    )


def marked(address: str, path: str, *marks: str) -> Edit:
    """The attribute has these marks, such as `after_unknown`."""

    def edit(document: Document) -> None:
        for mark in marks:
            put(change(document, address), f"{mark}.{path}", True)

    return edit


def acts(address: str, *actions: str, **of_entry: Any) -> Edit:
    """Terraform does something else with the resource."""

    def edit(document: Document) -> None:
        entry(document, address).update(of_entry)
        change(document, address)["actions"] = list(actions)

    return edit


def of_entry(address: str, **values: Any) -> Edit:
    """The resource's entry says something else."""
    return lambda document: entry(document, address).update(values)


def of_change(address: str, **values: Any) -> Edit:
    """The resource's change says something else."""
    return lambda document: change(document, address).update(values)


def says(**values: Any) -> Edit:
    """The plan says something else of itself."""
    return lambda document: document.update(values)


def without(*keys: str) -> Edit:
    """The plan does not have these keys."""
    return lambda document: [document.pop(key, None) for key in keys]


def more(entry: Mapping[str, Any]) -> Edit:
    """The plan has one entry more."""
    return lambda document: document["resource_changes"].append(deepcopy(dict(entry)))


def together(*edits: Edit) -> Edit:
    """One after the other."""
    return lambda document: [edit(document) for edit in edits]
