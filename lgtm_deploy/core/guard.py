"""What may a Terraform plan change? Whatever is not allowed is refused, with the lines that break it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lgtm_deploy.core.differences import Difference, differences, same
from lgtm_deploy.core.secrecy import scrubbed, secrets_of

# Terraform: JSON output format, "a consumer should reject any input which reports an unsupported major version".
_MAJOR = "1"

_NO_OP = ("no-op",)
# Terraform: JSON output format, change representation. Both orders of a replacement are one thing to whoever allows it.
_VERBS: Mapping[tuple[str, ...], str] = {
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}
_TOLD = {"create": "would be created", "delete": "would be destroyed", "replace": "would be replaced"}
_FORGOTTEN = "would be forgotten: it stays, and nobody manages it"

_INDEX = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]')


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What may be changed: resources of that `type`, whose address or name is `name` (`*` and `?` stand for anything),
    by those `actions` (`update`: in place; `create`, `delete`, `replace`), and of an update those `attributes`, which
    are dotted paths (`health_check.path`) and hold all that is below them. The type `output` allows output values."""

    type: str
    name: str = "*"
    actions: tuple[str, ...] = ("update",)
    attributes: tuple[str, ...] = ()

    def is_for(self, type: str, *names: str) -> bool:
        """Whether it is about a resource of that type with one of those names."""
        return self.type == type and any(_matches(self.name, each) for each in names)

    def holds(self, path: Sequence[str]) -> bool:
        """Whether it holds that attribute."""
        return any(tuple(path[: len(each)]) == each for each in (tuple(text.split(".")) for text in self.attributes))


@dataclass(frozen=True, kw_only=True)
class _Resource:
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
        return _VERBS.get(self.actions, "/".join(self.actions))

    @property
    def why(self) -> str:
        """Terraform's reason and the attributes that force a replacement, where it gives any."""
        reason = str(self.entry.get("action_reason") or "").replace("_", " ")
        forced = [".".join(map(str, path)) for path in self.entry["change"].get("replace_paths") or []]
        told = ", ".join(part for part in (reason, *forced) if part)
        return f" ({told})" if told else ""


def breaches(document: Mapping[str, Any], allowances: Sequence[Allowance]) -> tuple[str, ...]:
    """What in the document of `terraform show -json PLAN` is not allowed, a line each for a person; none: all is well.

    Sensitive values are in none of the lines. docs/adr/013-the-guard.md says what is harmless, and why.
    """
    secrets = secrets_of(document)
    configured = _configured(document)
    lines = [*_as_a_whole(document)]
    for entry in _list(document, "resource_changes"):
        found = _read(entry)
        if found is None:
            lines.append(f"{_address(entry)}: its change cannot be read")
            continue
        # Masked values may have copies that nobody marked.
        clean = tuple(
            replace(each, before=scrubbed(each.before, secrets), after=scrubbed(each.after, secrets))
            for each in found.differences
        )
        lines.extend(_of_resource(replace(found, differences=clean), allowances, configured))
    lines.extend(_of_outputs(document, allowances))
    return tuple(scrubbed(line, secrets) for line in lines)


def touched(document: Mapping[str, Any]) -> tuple[Allowance, ...]:
    """Exactly what the plan updates in place, as allowances: what may be brought back after it was applied."""
    found = filter(None, map(_read, _list(document, "resource_changes")))
    return tuple(
        Allowance(
            type=each.type, name=each.address, attributes=tuple(sorted(change.name for change in each.differences))
        )
        for each in found
        if each.mode == "managed" and each.verb == "update"
    )


def _as_a_whole(document: Mapping[str, Any]) -> Iterator[str]:
    version = str(document.get("format_version", "none"))
    if version.partition(".")[0] != _MAJOR:
        yield f"the plan's format version is {version}, and only {_MAJOR} is known"
    if document.get("errored", False) is not False:
        yield "the plan is not whole: Terraform met an error while planning"
    if document.get("complete", True) is not True:
        yield "the plan is not whole: after it there would still be changes to plan"
    if document.get("applyable", True) is not True and any(_changes(document)):
        yield "the plan is one that Terraform would not apply"
    for key in ("resource_changes", "deferred_changes", "action_invocations", "deferred_action_invocations", "checks"):
        if not isinstance(document.get(key) or [], list):
            yield f"the plan's {key} cannot be read"
    for entry in _list(document, "deferred_changes"):
        yield f"{_address(_object(entry).get('resource_change'))}: its change is deferred to a later plan"
    for key in ("action_invocations", "deferred_action_invocations"):
        for entry in _list(document, key):
            yield f"{_address(entry)}: would be invoked"
    for check in _list(document, "checks"):
        # `unknown` is one that can only be looked at after the apply, `pass` one that holds.
        if _object(check).get("status") not in ("pass", "unknown"):
            shown = _object(_object(check).get("address")).get("to_display", "a check")
            yield f"{shown}: the check does not hold{_problems(_object(check))}"


def _problems(check: Mapping[str, Any]) -> str:
    told = [
        str(_object(problem).get("message", ""))
        for instance in _list(check, "instances")
        for problem in _list(_object(instance), "problems")
    ]
    return f": {' '.join(told)}" if told else ""


def _changes(document: Mapping[str, Any]) -> Iterator[object]:
    for entry in _list(document, "resource_changes"):
        yield tuple(_object(_object(entry).get("change")).get("actions") or ()) != _NO_OP
    for change in _object(document.get("output_changes")).values():
        yield tuple(_object(change).get("actions") or ()) != _NO_OP


def _of_resource(
    found: _Resource, allowances: Sequence[Allowance], configured: Mapping[tuple[str, str], frozenset[str]]
) -> Iterator[str]:
    address, change = found.address, found.entry["change"]
    if found.mode == "data":
        if found.actions != _NO_OP:
            yield f"{address}: a data source that is read only during the apply{found.why}"
        return
    if found.mode != "managed":
        yield f"{address}: it is {found.mode!r}, which is not known here"
        return
    if change.get("importing"):
        yield f"{address}: would be imported"
    previous = found.entry.get("previous_address")
    if previous and previous != address:
        yield f"{address}: would be moved from {previous}"
    deposed = f" (deposed object {found.entry['deposed']})" if found.entry.get("deposed") else ""
    if found.actions == _NO_OP:
        for each in found.differences:
            if not _are_reordered(found, each):
                yield f"{address}: {each}, although Terraform calls it unchanged"
        return
    allowed = [each for each in allowances if each.is_for(found.type, address, found.name)]
    allowed = [each for each in allowed if found.verb in each.actions]
    if found.verb == "update" and not deposed:
        yield from _of_update(found, allowed, configured)
    elif not allowed or deposed or "forget" in found.actions:
        told = _TOLD.get(found.verb, _FORGOTTEN if "forget" in found.actions else f"would meet '{found.verb}'")
        yield f"{address}{deposed}: {told}{found.why}"


def _of_update(
    found: _Resource, allowed: Sequence[Allowance], configured: Mapping[tuple[str, str], frozenset[str]]
) -> Iterator[str]:
    set_here = configured.get((_INDEX.sub("", found.module), f"{found.type}.{found.name}"))
    for path in found.entry["change"].get("replace_paths") or []:
        yield f"{found.address}: {'.'.join(map(str, path))} forces a replacement"
    for each in found.differences:
        if any(allowance.holds(each.path) for allowance in allowed):
            if each.unknown:
                yield f"{found.address}: {each}, and it must be known beforehand"
        elif not (allowed and _is_noise(each, set_here)):
            yield f"{found.address}: {each} is not allowed"
    if not found.differences and not allowed:
        yield f"{found.address}: would be updated"


def _is_noise(each: Difference, configured: frozenset[str] | None) -> bool:
    """An attribute of one value that it had before, that the configuration does not set, and that the provider will
    tell only after the apply, such as the time of the last change. Blocks and maps are not: a `dynamic` block is
    missing in the configuration that Terraform shows, and `tags_all` holds what the provider's own tags bring."""
    single = isinstance(each.before, str | int | float | bool)
    return each.unknown and single and len(each.path) == 1 and configured is not None and each.path[0] not in configured


def _are_reordered(found: _Resource, each: Difference) -> bool:
    """Whether a list only has another order: what Terraform calls unchanged can then only be a set."""
    before, after = found.entry["change"].get("before"), found.entry["change"].get("after")
    top = each.path[0] if each.path else ""
    one, other = _object(before).get(top), _object(after).get(top)
    return not each.unknown and isinstance(one, list) and isinstance(other, list) and _as_sets(one, other)


def _as_sets(one: list[Any], other: list[Any]) -> bool:
    left = list(other)
    for item in one:
        twin = next((index for index, each in enumerate(left) if same(item, each)), None)
        if twin is None:
            return False
        del left[twin]
    return not left


def _of_outputs(document: Mapping[str, Any], allowances: Sequence[Allowance]) -> Iterator[str]:
    """Other roots read outputs, so a change of one is a change. None of their values is shown."""
    for name, change in sorted(_object(document.get("output_changes")).items()):
        actions = tuple(_object(change).get("actions") or ())
        verb = _VERBS.get(actions, "/".join(actions))
        changed = actions != _NO_OP or any(True for _ in differences(_object(change)))
        if changed and not any(each.is_for("output", name) and verb in each.actions for each in allowances):
            yield f"output.{name}: would change ({verb or 'no action given'})"


def _read(entry: Any) -> _Resource | None:
    change = _object(_object(entry).get("change"))
    actions = change.get("actions")
    names = [_object(entry).get(key) for key in ("address", "mode", "type", "name")]
    if not isinstance(actions, list) or not actions or not all(isinstance(each, str) for each in (*names, *actions)):
        return None
    return _Resource(
        address=names[0] or "",
        mode=names[1] or "",
        type=names[2] or "",
        name=names[3] or "",
        module=str(entry.get("module_address") or ""),
        actions=tuple(actions),
        entry=entry,
        differences=tuple(differences(change)),
    )


def _configured(document: Mapping[str, Any]) -> Mapping[tuple[str, str], frozenset[str]]:
    """The attributes that the configuration sets, by module and resource, both without indexes."""
    return dict(_configured_in(_object(_object(document.get("configuration")).get("root_module")), ""))


def _configured_in(module: Mapping[str, Any], path: str) -> Iterator[tuple[tuple[str, str], frozenset[str]]]:
    for each in _list(module, "resources"):
        if _object(each).get("mode") == "managed":
            yield (path, f"{each.get('type')}.{each.get('name')}"), frozenset(_object(each.get("expressions")))
    for name, call in _object(module.get("module_calls")).items():
        inner = f"{path}.module.{name}" if path else f"module.{name}"
        yield from _configured_in(_object(_object(call).get("module")), inner)


def _matches(pattern: str, text: str) -> bool:
    # Not fnmatch: addresses are full of its brackets.
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return pattern == text or re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _address(entry: Any) -> str:
    return str(_object(entry).get("address") or "something without an address")


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(document: Mapping[str, Any], key: str) -> Iterable[Any]:
    found = document.get(key)
    return found if isinstance(found, list) else []
