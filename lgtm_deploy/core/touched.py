"""What did a Terraform plan change, and does another one bring exactly that back?"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy.core.differences import Difference, same
from lgtm_deploy.core.guard import TARGET_GROUPS, Allowance
from lgtm_deploy.core.plan_document import Resource, actions_of, list_of, object_of, read, verb_of
from lgtm_deploy.core.secrecy import SENSITIVE, SENSITIVE_CHANGED, scrubbed, secrets_of

_PATH = "health_check.path"
# What undoes it; a replacement is undone by another one.
_INVERSE = {"create": "delete", "delete": "create", "replace": "replace", "update": "update"}
_MISSING = object()


@dataclass(frozen=True, kw_only=True)
class Touched(Allowance):
    """What a plan changed, as the allowance for the plan that brings it back: the inverse action, and of an update
    exactly these attributes. `before` has what each was, as JSON; a sensitive value is a word. `named` is the
    resource's own name, where it has one."""

    before: Mapping[str, str] = field(default_factory=dict)
    named: str = ""

    @property
    def is_update(self) -> bool:
        """Whether it was changed in place."""
        return self.actions == ("update",)


def touched(document: Mapping[str, Any]) -> tuple[Touched, ...]:
    """Exactly what the plan changes: so much may be brought back after it was applied."""
    secrets = secrets_of(document)
    found = filter(None, map(read, list_of(document, "resource_changes")))
    resources = (_of_resource(each, secrets) for each in found if each.mode == "managed" and each.verb in _INVERSE)
    return (*resources, *_of_outputs(document))


def _of_resource(found: Resource, secrets: Any) -> Touched:
    # What only the apply will tell was not set by anybody, and cannot be set back.
    known = [each for each in found.differences if not each.unknown]
    before = dict(_was(each, secrets) for each in known)
    name = object_of(found.entry["change"].get("before")).get("name")
    in_place = found.verb == "update"
    path = next((each.after for each in found.differences if each.name == _PATH and in_place), "")
    moves = found.type in TARGET_GROUPS and path
    return Touched(
        type=found.type,
        name=found.address,
        actions=(_INVERSE[found.verb],),
        attributes=tuple(sorted(before)) if in_place else (),
        before=before if in_place else {},
        named=scrubbed(name, secrets) if isinstance(name, str) else "",
        group=str(name or found.address) if moves else "",
        path=str(path) if moves else "",
    )


def _was(each: Difference, secrets: Any) -> tuple[str, str]:
    """An attribute's name and what it was; where a key in it is a secret, all of the map is taken that has it."""
    # Attributes of a resource are named by its provider.
    keys = each.path[1:]
    open_ = next((place for place, key in enumerate(keys) if scrubbed(key, secrets) != key), len(keys))
    name = ".".join((*each.path[:1], *keys[:open_]))
    return name, json.dumps(scrubbed(each.before, secrets) if open_ == len(keys) else SENSITIVE, default=str)


def _of_outputs(document: Mapping[str, Any]) -> Iterator[Touched]:
    # Outputs follow from what was changed, there and back; their values are nobody's business here.
    for name, change in sorted(object_of(document.get("output_changes")).items()):
        verb = verb_of(actions_of(change))
        if verb in _INVERSE:
            yield Touched(type="output", name=name, actions=(_INVERSE[verb],))


def missing(document: Mapping[str, Any], changed: Iterable[Touched]) -> tuple[str, ...]:
    """What the plan would not bring back of that, a line each. Sensitive values cannot be compared, and are passed
    over."""
    after = {str(object_of(each).get("address")): object_of(each) for each in list_of(document, "resource_changes")}
    lines = []
    for each in changed:
        if each.type == "output":
            continue
        change = object_of(object_of(after.get(each.name)).get("change"))
        if not each.is_update:
            if verb_of(actions_of(change)) not in each.actions:
                lines.append(f"{each.name} would not meet '{each.actions[0]}'")
            continue
        lines += differing(each, object_of(change.get("after")), "would be")
    return tuple(lines)


def differing(each: Touched, values: Mapping[str, Any], word: str) -> list[str]:
    """Which of a resource's attributes are not as they were, a line each."""
    lines = []
    for name in each.attributes:
        was = json.loads(each.before[name]) if name in each.before else SENSITIVE
        found = _at(values, name.split("."))
        if _is_masked(was) or same(was, None if found is _MISSING else found):
            continue
        lines.append(f"{each.name}: {name} {word} {_spelled(found)}, it was {json.dumps(was)}")
    return lines


def _at(value: Any, path: list[str]) -> Any:
    """The value at a dotted path; a block of one has no index there."""
    for part in path:
        if isinstance(value, list) and part.isdigit() and len(value) > 1:
            value = value[int(part)] if int(part) < len(value) else _MISSING
            continue
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
    return value


def _is_masked(value: Any) -> bool:
    text = json.dumps(value, default=str)
    return SENSITIVE in text or SENSITIVE_CHANGED in text


def _spelled(value: Any) -> str:
    return "nothing" if value is _MISSING or value is None else json.dumps(value, default=str)[:80]
