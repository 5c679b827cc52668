"""Outputs: what a recipe has in its hands of a step that has not run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from lgtm_deploy.core.errors import UsageError

# The step that variables of a plan are outputs of.
VARIABLES = "vars"
# Metadata of an input, a tuple of results, that is taken for its order only: a preview leaves it empty.
PROOF: Mapping[str, bool] = MappingProxyType({"proof": True})


class RecipeError(UsageError):
    """A recipe cannot build its graph: the fault is in the recipe, not in the plan file."""


class UnknownYetError(Exception):
    """The value is known only after an earlier step has run: the one with the ID `node`."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


class Output:
    """The promise of a step's result, or of a part of it. mypy sees the result type of the step in its place.

    A recipe passes it on as an input of a later step. It is replaced by the value before that step runs; until then it
    cannot be compared, printed, iterated or asked for its truth.
    """

    __slots__ = ("_kind", "_path", "_step")

    def __init__(self, step: str, kind: Any = Any, path: tuple[str, ...] = ()) -> None:
        self._step = step
        self._kind = kind
        self._path = path

    def __getattr__(self, name: str) -> "Output":
        if name.startswith("__"):
            raise AttributeError(name)
        kinds = get_type_hints(self._kind) if is_dataclass(self._kind) else {}
        if is_dataclass(self._kind) and name not in {each.name for each in fields(self._kind)}:
            raise RecipeError(f"{self!r} has no field '{name}'.", resolution=f"It has: {', '.join(kinds) or 'none'}.")
        return Output(self._step, kinds.get(name, Any), (*self._path, name))

    def __getitem__(self, key: str) -> "Output":
        if get_origin(self._kind) is not Mapping or not isinstance(key, str):
            self._refuse()
        return Output(self._step, get_args(self._kind)[1], (*self._path, key))

    def __repr__(self) -> str:
        return ".".join((f"output of {self._step}", *self._path))

    def _refuse(self, *_: object) -> NoReturn:
        raise RecipeError(
            f"The {self!r} has no value before the step has run.",
            resolution="Pass it on as an input; a recipe cannot decide by it.",
        )

    __bool__ = __str__ = __iter__ = __len__ = __contains__ = __int__ = __float__ = __index__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = __hash__ = __format__ = _refuse


def proofs_of(inputs: Any) -> frozenset[str]:
    """Return the names of the fields that are proofs."""
    return frozenset(each.name for each in fields(inputs) if each.metadata.get("proof"))


def origin(output: Output) -> tuple[str, tuple[str, ...]]:
    """Return the ID of the step that gives it, and the path to the part that is meant."""
    return output._step, output._path


def outputs_in(value: object) -> Iterator[Output]:
    """Return all outputs anywhere in the value."""
    if isinstance(value, Output):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from outputs_in(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from outputs_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from outputs_in(item)


def resolved(value: Any, result: Callable[[str], Any]) -> Any:
    """Return the value as plain data, with every output replaced by what `result` gives for its step.

    Raises what `result` raises: UnknownYetError for a step that has not run.
    """
    if isinstance(value, Output):
        step, path = origin(value)
        found = result(step)
        for name in path:
            found = found[name]
        return found
    if is_dataclass(value):
        return {each.name: resolved(getattr(value, each.name), result) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: resolved(item, result) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(resolved(item, result) for item in value)
    return value
