"""`${{ … }}` expressions: what a plan may refer to, and what it stands for in a run."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lgtm_deploy.core.errors import UsageError

_EXPRESSION = re.compile(r"\$\{\{\s*((?:(?!\}\}).)*?)\s*\}\}")
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_STEP_OUTPUT = re.compile(rf"steps\.({_NAME})\.outputs\.({_NAME})")
_VARIABLE = re.compile(rf"vars\.({_NAME})")
_PLAIN = ("each", "env", "services", "coupled", "allow_sequence")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One expression. `step` and `output` are set when it names a step's output, `variable` when it names one."""

    text: str
    step: str = ""
    output: str = ""
    variable: str = ""


class UnknownYetError(Exception):
    """The value will be known only when an earlier step has run: the one with the id `node`."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What expressions can see. `output` raises UnknownYetError for a step that has not run."""

    env: str
    each: str | None
    services: tuple[str, ...]
    coupled: tuple[str, ...] = ()
    allow_sequence: tuple[str, ...] = ()
    variables: Mapping[str, str]
    output: Callable[[str, str], Any]


def parse(text: str) -> Reference:
    """The expression between `${{` and `}}`. Raises UsageError for anything this language does not have."""
    if text in _PLAIN:
        return Reference(text=text)
    if found := _STEP_OUTPUT.fullmatch(text):
        return Reference(text=text, step=found[1], output=found[2])
    if found := _VARIABLE.fullmatch(text):
        return Reference(text=text, variable=found[1])
    raise UsageError(
        f"'${{{{ {text} }}}}' is not an expression.",
        resolution=f"There are: {', '.join(_PLAIN)}, vars.NAME, steps.STEP.outputs.NAME.",
    )


def sole(value: Any) -> Reference | None:
    """The reference when the value is one expression and nothing else: it then keeps its type."""
    if isinstance(value, str) and (found := _EXPRESSION.fullmatch(value)):
        return parse(found[1])
    return None


def references(value: Any) -> Iterator[Reference]:
    """All expressions anywhere in a value."""
    if isinstance(value, str):
        yield from (parse(found[1]) for found in _EXPRESSION.finditer(value))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from references(each)


def resolve(value: Any, scope: Scope) -> Any:
    """The value with every expression replaced. Raises UnknownYetError and UsageError."""
    if isinstance(value, str):
        if (only := sole(value)) is not None:
            return _value_of(only, scope)
        return _EXPRESSION.sub(lambda found: str(_value_of(parse(found[1]), scope)), value)
    if isinstance(value, Mapping):
        return {key: resolve(each, scope) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return tuple(resolve(each, scope) for each in value)
    return value


def _value_of(reference: Reference, scope: Scope) -> Any:
    if reference.step:
        return scope.output(reference.step, reference.output)
    if reference.variable:
        if reference.variable not in scope.variables:
            raise UsageError(
                f"Variable '{reference.variable}' has no value.", resolution=f"Pass --var {reference.variable}=…"
            )
        return scope.variables[reference.variable]
    return getattr(scope, reference.text)
