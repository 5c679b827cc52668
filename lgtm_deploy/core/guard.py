"""What may a Terraform plan change? Whatever is not allowed is refused, with the lines that break it."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from lgtm_deploy.core.differences import Difference, differences, same
from lgtm_deploy.core.plan_document import (
    NO_OP,
    Configured,
    Resource,
    actions_of,
    address_of,
    configured,
    list_of,
    object_of,
    read,
    verb_of,
)
from lgtm_deploy.core.secrecy import SENSITIVE, scrubbed, secrets_of
from lgtm_deploy.core.wildcards import matches_wildcard

# Terraform: JSON output format, "a consumer should reject any input which reports an unsupported major version".
_MAJOR = "1"

# The AWS provider has the resource under both names.
TARGET_GROUPS = ("aws_lb_target_group", "aws_alb_target_group")

_TOLD = {"create": "would be created", "delete": "would be destroyed", "replace": "would be replaced"}
_FORGOTTEN = "would be forgotten: it stays, and nobody manages it"


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What may be changed: resources of that `type`, whose address or name is `name` (`*` and `?` stand for anything),
    by those `actions` (`update`: in place; `create`, `delete`, `replace`), and of an update those `attributes`, which
    are dotted paths (`health_check.path`) and hold all that is below them. The type `output` allows output values.

    In what a plan has `touched`, `group` is the name in AWS of a target group whose path changes, and `path` the new
    one: these tell, and allow nothing.
    """

    type: str
    name: str = "*"
    actions: tuple[str, ...] = ("update",)
    attributes: tuple[str, ...] = ()
    group: str = ""
    path: str = ""

    def is_for(self, type: str, *names: str) -> bool:
        """Whether it is about a resource of that type with one of those names."""
        return self.type == type and any(matches_wildcard(self.name, each) for each in names)

    def holds(self, path: Sequence[str]) -> bool:
        """Whether it holds that attribute."""
        return any(tuple(path[: len(each)]) == each for each in (tuple(text.split(".")) for text in self.attributes))


@dataclass(frozen=True, kw_only=True)
class Late(Allowance):
    """An allowance some of whose attributes, `late`, may be known only after the apply. No plan file can give it."""

    late: tuple[str, ...] = ()


def breaches(document: Mapping[str, Any], allowances: Sequence[Allowance]) -> tuple[str, ...]:
    """What in the document of `terraform show -json PLAN` is not allowed, a line each for a person; none: all is well.

    Sensitive values are in none of the lines. docs/adr/013-the-guard.md says what is harmless, and why.
    """
    secrets = secrets_of(document)
    set_here = configured(document)
    lines = [*_as_a_whole(document)]
    for entry in list_of(document, "resource_changes"):
        found = read(entry)
        if found is None:
            lines.append(f"{address_of(entry)}: its change cannot be read")
            continue
        clean = tuple(_clean(each, secrets) for each in found.differences)
        lines.extend(_of_resource(replace(found, differences=clean), allowances, set_here))
    lines.extend(_of_outputs(document, allowances, secrets))
    return tuple(scrubbed(line, secrets) for line in lines)


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
    for entry in list_of(document, "deferred_changes"):
        yield f"{address_of(object_of(entry).get('resource_change'))}: its change is deferred to a later plan"
    for key in ("action_invocations", "deferred_action_invocations"):
        for entry in list_of(document, key):
            yield f"{address_of(entry)}: would be invoked"
    for check in list_of(document, "checks"):
        # `unknown` is one that can only be looked at after the apply, `pass` one that holds.
        if object_of(check).get("status") not in ("pass", "unknown"):
            shown = object_of(object_of(check).get("address")).get("to_display", "a check")
            yield f"{shown}: the check does not hold{_problems(object_of(check))}"


def _problems(check: Mapping[str, Any]) -> str:
    told = [
        str(object_of(problem).get("message", ""))
        for instance in list_of(check, "instances")
        for problem in list_of(object_of(instance), "problems")
    ]
    return f": {' '.join(told)}" if told else ""


def _changes(document: Mapping[str, Any]) -> Iterator[object]:
    for entry in list_of(document, "resource_changes"):
        yield actions_of(object_of(entry).get("change")) != NO_OP
    for change in object_of(document.get("output_changes")).values():
        yield actions_of(change) != NO_OP


def _of_resource(found: Resource, allowances: Sequence[Allowance], set_here: Configured) -> Iterator[str]:
    address, change = found.address, found.entry["change"]
    if found.mode == "data":
        if found.actions != NO_OP:
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
    if found.actions == NO_OP:
        for each in found.differences:
            if not _are_reordered(found, each):
                yield f"{address}: {each}, although Terraform calls it unchanged"
        return
    allowed = [each for each in allowances if each.is_for(found.type, address, found.name)]
    allowed = [each for each in allowed if found.verb in each.actions]
    if found.verb == "update" and not deposed:
        yield from _of_update(found, allowed, set_here.get(found.key))
    elif not allowed or deposed or "forget" in found.actions:
        told = _TOLD.get(found.verb, _FORGOTTEN if "forget" in found.actions else f"would meet '{found.verb}'")
        yield f"{address}{deposed}: {told}{found.why}"


def _of_update(found: Resource, allowed: Sequence[Allowance], set_here: frozenset[str] | None) -> Iterator[str]:
    for path in found.entry["change"].get("replace_paths") or []:
        yield f"{found.address}: {'.'.join(map(str, path))} forces a replacement"
    for each in found.differences:
        if any(allowance.holds(each.path) for allowance in allowed):
            if each.unknown and not any(isinstance(one, Late) and each.name in one.late for one in allowed):
                yield f"{found.address}: {each}, and it must be known beforehand"
        elif not (allowed and _is_noise(each, set_here)):
            yield f"{found.address}: {each} is not allowed"
    if not found.differences and not allowed:
        yield f"{found.address}: would be updated"


def _is_noise(each: Difference, configured: frozenset[str] | None) -> bool:
    """An attribute of one value that it had before, that the configuration does not set, and that the provider will
    tell only after the apply, such as the time of the last change. Blocks and maps are not: a `dynamic` block is
    missing in the configuration that Terraform shows, and `tags_all` holds what the provider's own tags bring."""
    # Of a sensitive value nobody can tell here whether it is a single one.
    single = isinstance(each.before, str | int | float | bool) and each.before != SENSITIVE
    return each.unknown and single and len(each.path) == 1 and configured is not None and each.path[0] not in configured


def _are_reordered(found: Resource, each: Difference) -> bool:
    """Whether a list only has another order: what Terraform calls unchanged can then only be a set."""
    before, after = found.entry["change"].get("before"), found.entry["change"].get("after")
    top = each.path[0] if each.path else ""
    one, other = object_of(before).get(top), object_of(after).get(top)
    return not each.unknown and isinstance(one, list) and isinstance(other, list) and _as_sets(one, other)


def _as_sets(one: list[Any], other: list[Any]) -> bool:
    left = list(other)
    for item in one:
        twin = next((index for index, each in enumerate(left) if same(item, each)), None)
        if twin is None:
            return False
        del left[twin]
    return not left


def _of_outputs(document: Mapping[str, Any], allowances: Sequence[Allowance], secrets: Set[str]) -> Iterator[str]:
    """Other roots read outputs, so a change of one is a change."""
    for name, change in sorted(object_of(document.get("output_changes")).items()):
        actions = actions_of(change)
        verb = verb_of(actions)
        found = [_clean(each, secrets) for each in differences(object_of(change))]
        if any(each.is_for("output", name) and verb in each.actions for each in allowances):
            continue
        for each in found:
            yield f"output.{name}{'.' if each.path else ': '}{each} is not allowed"
        if not found and actions != NO_OP:
            yield f"output.{name}: would change ({verb or 'no action given'})"


def _clean(each: Difference, secrets: Set[str]) -> Difference:
    """Without the copies of sensitive values that nobody marked."""
    return replace(each, before=scrubbed(each.before, secrets), after=scrubbed(each.after, secrets))
