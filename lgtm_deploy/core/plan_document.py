"""What does the document of `terraform show -json PLAN` say? Nothing of it is trusted to be as it should be."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lgtm_deploy.core.differences import Difference, differences

NO_OP = ("no-op",)
# Terraform: JSON output format, change representation. Both orders of a replacement are one thing to whoever allows it.
_VERBS: Mapping[tuple[str, ...], str] = {
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}
_INDEX = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]')

Configured = Mapping[tuple[str, str], frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One entry of `resource_changes` that could be read."""

    address: str
    mode: str
    type: str
    name: str
    module: str
    actions: tuple[str, ...]
    entry: Mapping[str, Any]
    differences: tuple[Difference, ...]

    @property
    def verb(self) -> str:
        """What happens to it, in one word; what nobody knows stays as it is written."""
        return verb_of(self.actions)

    @property
    def key(self) -> tuple[str, str]:
        """Where the configuration has it: its module and itself, both without indexes."""
        return _INDEX.sub("", self.module), f"{self.type}.{self.name}"

    @property
    def why(self) -> str:
        """Terraform's reason and the attributes that force a replacement, where it gives any."""
        reason = str(self.entry.get("action_reason") or "").replace("_", " ")
        forced = [".".join(map(str, path)) for path in self.entry["change"].get("replace_paths") or []]
        told = ", ".join(part for part in (reason, *forced) if part)
        return f" ({told})" if told else ""


def read(entry: Any) -> Resource | None:
    """An entry of `resource_changes`; None: it is not one."""
    change = object_of(object_of(entry).get("change"))
    actions = change.get("actions")
    names = [object_of(entry).get(key) for key in ("address", "mode", "type", "name")]
    if not isinstance(actions, list) or not actions or not all(isinstance(each, str) for each in (*names, *actions)):
        return None
    return Resource(
        address=names[0] or "",
        mode=names[1] or "",
        type=names[2] or "",
        name=names[3] or "",
        module=str(entry.get("module_address") or ""),
        actions=tuple(actions),
        entry=entry,
        differences=tuple(differences(change)),
    )


def configured(document: Mapping[str, Any]) -> Configured:
    """The attributes that the configuration sets, by module and resource, both without indexes."""
    return dict(_configured_in(object_of(object_of(document.get("configuration")).get("root_module")), ""))


def _configured_in(module: Mapping[str, Any], path: str) -> Iterator[tuple[tuple[str, str], frozenset[str]]]:
    for each in list_of(module, "resources"):
        if object_of(each).get("mode") == "managed":
            yield (path, f"{each.get('type')}.{each.get('name')}"), frozenset(object_of(each.get("expressions")))
    for name, call in object_of(module.get("module_calls")).items():
        inner = f"{path}.module.{name}" if path else f"module.{name}"
        yield from _configured_in(object_of(object_of(call).get("module")), inner)


def verb_of(actions: Iterable[str]) -> str:
    """Terraform's actions in one word."""
    return _VERBS.get(tuple(actions), "/".join(actions))


def actions_of(change: Any) -> tuple[str, ...]:
    """Terraform's actions, whatever is there."""
    return tuple(map(str, list_of(object_of(change), "actions")))


def address_of(entry: Any) -> str:
    """The entry's address, as far as it has one."""
    return str(object_of(entry).get("address") or "something without an address")


def object_of(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def list_of(document: Mapping[str, Any], key: str) -> Iterable[Any]:
    """What is there where it is a list, else nothing."""
    found = document.get(key)
    return found if isinstance(found, list) else []
