"""Is a plan one that can run? All its faults, before anything is called."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import GenericAlias
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Fault, Path, expand, keys_of, order_faults, upstream
from lgtm_deploy.core.order import misordered
from lgtm_deploy.core.plan import Plan, StepSpec
from lgtm_deploy.core.reference import Reference, references, sole
from lgtm_deploy.core.step import Step

Catalog = Mapping[str, type[Step]]

_ONE: Mapping[Any, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}

# Where in a path to an input, or into one, its name stands.
_INPUT = 3


def faults(plan: Plan, catalog: Catalog) -> list[Fault]:
    """Everything wrong with the plan, as far as it can be told without a stack."""
    found = [*order_faults(plan), *_key_faults(plan), *_secret_faults(plan)]
    for spec in plan.steps.values():
        if spec.uses not in catalog:
            found.append(
                Fault(
                    path=("steps", spec.id, "uses"),
                    message=f"Step '{spec.id}' uses '{spec.uses}', which is not a kind of step.",
                    resolution=f"There are: {', '.join(sorted(catalog))}.",
                )
            )
        else:
            found.extend(_StepCheck(plan, spec, catalog).faults())
    return found or misordered(plan, expand(plan), catalog)


def _key_faults(plan: Plan) -> Iterator[Fault]:
    """Keys written twice, and steps without any: such a step would never run, and nobody would be told.

    `coupled` may be empty: whether anything has to be coupled is preflight's question.
    """
    yield from _twice(("services",), plan.services)
    yield from _twice(("coupled",), (*plan.services, *plan.coupled), skip=len(plan.services))
    for spec in plan.steps.values():
        path: Path = ("steps", spec.id, "for_each")
        if keys_of(plan, spec.id) == () and spec.for_each != "coupled":
            empty = "it has none" if spec.for_each == () else f"the plan names no {spec.for_each}"
            yield Fault(path=path, message=f"Step '{spec.id}' runs once for each of its keys, and {empty}.")
        elif isinstance(spec.for_each, tuple):
            yield from _twice(path, spec.for_each)


def _secret_faults(plan: Plan) -> Iterator[Fault]:
    """Secrets that no step takes: what was meant goes by another name, and would be told."""
    taken = {text for step in plan.steps.values() for text in _variables_in(step.with_)}
    for name in plan.secrets:
        if name not in taken:
            yield Fault(path=("secrets", name), message=f"No step takes the secret '{name}'.")


def _variables_in(value: Any) -> Iterator[str]:
    try:
        yield from (each.variable for each in references(value))
    except UsageError:
        # Told where it stands.
        return


def _twice(path: Path, keys: tuple[str, ...], skip: int = 0) -> Iterator[Fault]:
    for position, key in enumerate(keys):
        if position >= skip and key in keys[:position]:
            yield Fault(path=(*path, position - skip), message=f"'{key}' is here twice.")


@dataclass(frozen=True)
class _StepCheck:
    """The inputs of one step, held against what its kind takes."""

    plan: Plan
    spec: StepSpec
    catalog: Catalog

    def faults(self) -> Iterator[Fault]:
        spec = self.spec
        kind = self.catalog[spec.uses].takes
        wanted = {each.name: each for each in fields(kind)}
        hints = get_type_hints(kind)
        for name, value in spec.with_.items():
            path: Path = ("steps", spec.id, "with", name)
            if name in wanted:
                yield from self._value_faults(path, value, hints[name])
            else:
                yield Fault(
                    path=path,
                    message=f"Step '{spec.id}' ({spec.uses}) has no input '{name}'.",
                    resolution=f"It has: {', '.join(wanted) or 'none'}.",
                )
        for name, each in wanted.items():
            if name not in spec.with_ and _required(each):
                message = f"Step '{spec.id}' ({spec.uses}) lacks its input '{name}'."
                yield Fault(path=("steps", spec.id), message=message)
        yield from self._title_faults(("steps", spec.id, "title"))

    def _title_faults(self, path: Path) -> Iterator[Fault]:
        """A title is told in the preview, when no step has any outputs."""
        try:
            found = list(references(self.spec.title))
        except UsageError as error:
            yield Fault(path=path, message=error.message, resolution=error.resolution)
            return
        for reference in found:
            if reference.step:
                yield Fault(path=path, message=f"The title of step '{self.spec.id}' cannot hold a step's output.")
            elif reference.variable in self.plan.secrets:
                yield Fault(path=path, message=f"The title of step '{self.spec.id}' cannot hold a secret.")
            else:
                yield from self._reference_faults(path, reference)

    def _value_faults(self, path: Path, value: Any, wanted: Any) -> Iterator[Fault]:
        try:
            found = list(references(value))
        except UsageError as error:
            yield Fault(path=path, message=error.message, resolution=error.resolution)
            return
        broken = [fault for reference in found for fault in self._reference_faults(path, reference)]
        yield from broken or self._type_faults(path, value, wanted)

    def _type_faults(self, path: Path, value: Any, wanted: Any) -> Iterator[Fault]:
        """Holds a value without broken references against its type; what lists and maps hold, one by one."""
        only = sole(value)
        if only is not None:
            got = self._type_of(only)
            if got not in (wanted, Any) and (got, wanted) != (int, float):
                yield self._mismatch(path, wanted, f"'{only.text}' is {_spell(got)}")
        elif isinstance(value, list | tuple) and get_origin(wanted) is tuple:
            for position, each in enumerate(value):
                yield from self._type_faults((*path, position), each, get_args(wanted)[0])
        elif isinstance(value, Mapping) and get_origin(wanted) is Mapping:
            for key, each in value.items():
                yield from self._type_faults((*path, key), each, get_args(wanted)[1])
        elif isinstance(value, Mapping) and is_dataclass(wanted):
            yield from self._map_faults(path, value, wanted)
        elif wanted is not Any and not _accepts(wanted, value):
            yield self._mismatch(path, wanted, f"got {value!r}")

    def _map_faults(self, path: Path, value: Mapping[str, Any], wanted: Any) -> Iterator[Fault]:
        """Holds a map against the dataclass that it stands for (core/values.py makes it one)."""
        hints = get_type_hints(wanted)
        for key, each in value.items():
            if key in hints:
                yield from self._type_faults((*path, key), each, hints[key])
            else:
                yield Fault(
                    path=(*path, key),
                    message=f"{self._input(path)} has no '{key}'.",
                    resolution=f"It has: {', '.join(hints)}.",
                )
        for each in fields(wanted):
            if each.name not in value and _required(each):
                yield Fault(path=path, message=f"{self._input(path)} lacks its '{each.name}'.")

    def _reference_faults(self, path: Path, reference: Reference) -> Iterator[Fault]:
        if reference.text == "each" and self.spec.for_each is None:
            yield Fault(path=path, message=f"Step '{self.spec.id}' uses 'each' but has no 'for_each'.")
        if not reference.step:
            return
        if reference.step not in self.plan.steps:
            message = f"'{reference.text}': there is no step '{reference.step}' in this plan."
            yield Fault(path=path, message=message)
        elif reference.step not in upstream(self.plan, self.spec.id):
            yield Fault(
                path=path,
                message=f"'{reference.text}': step '{reference.step}' does not come before '{self.spec.id}'.",
                resolution=f"Add '{reference.step}' to its needs.",
            )
        elif (kind := self.catalog.get(self.plan.steps[reference.step].uses)) is not None:
            outputs = [each.name for each in fields(kind.gives)]
            if reference.output not in outputs:
                yield Fault(
                    path=path,
                    message=f"'{reference.text}': step '{reference.step}' has no output '{reference.output}'.",
                    resolution=f"It has: {', '.join(outputs) or 'none'}.",
                )

    def _type_of(self, reference: Reference) -> Any:
        if not reference.step:
            return str if reference.text in ("each", "env") or reference.variable else tuple[str, ...]
        kind = self.catalog.get(self.plan.steps[reference.step].uses)
        own = get_type_hints(kind.gives)[reference.output] if kind else Any
        theirs = keys_of(self.plan, reference.step)
        if theirs is None or theirs == keys_of(self.plan, self.spec.id):
            return own
        # From outside its keys, an output is a map by key.
        return GenericAlias(Mapping, (str, own))

    def _mismatch(self, path: Path, wanted: Any, got: str) -> Fault:
        return Fault(path=path, message=f"{self._input(path)} takes {_spell(wanted)}; {got}.")

    def _input(self, path: Path) -> str:
        return f"Input '{path[_INPUT]}' of step '{self.spec.id}'"


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _accepts(wanted: Any, value: Any) -> bool:
    """Whether a scalar as YAML has it can stand for an input of that type."""
    if get_origin(wanted) is Literal:
        return value in get_args(wanted)
    if get_origin(wanted) is not None:
        return False
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _spell(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"a list of {_spell_many(get_args(kind)[0])}"
    if get_origin(kind) is Mapping:
        return f"a map by key ({_spell(get_args(kind)[1])} each)"
    if is_dataclass(kind):
        return f"a map of {', '.join(each.name for each in fields(kind))}"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    return _ONE.get(kind, "a value")


def _spell_many(kind: Any) -> str:
    many = {str: "texts", int: "whole numbers", float: "numbers", bool: "true or false"}
    return many.get(kind) or (_spell(kind).replace("a map of", "maps of") if is_dataclass(kind) else "values")
