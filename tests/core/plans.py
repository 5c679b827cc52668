"""Plans made of step kinds that need no world."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lgtm_deploy.core.check import Catalog

from lgtm_deploy.core.gate import Gate, Open
from lgtm_deploy.core.plan import Plan, StepSpec
from lgtm_deploy.core.step import Look


@dataclass(frozen=True, kw_only=True)
class NoInputs:
    pass


@dataclass(frozen=True, kw_only=True)
class MakeOutputs:
    text: str
    number: int
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    name: str
    words: tuple[str, ...] = ()
    weight: int = 1


@dataclass(frozen=True, kw_only=True)
class TakeInputs:
    text: str
    number: int = 0
    ratio: float = 0.0
    really: bool = False
    texts: tuple[str, ...] = ()
    by_key: Mapping[str, str] = field(default_factory=dict)
    sole_rule: Rule = field(default_factory=lambda: Rule(name=""))
    rules: tuple[Rule, ...] = ()
    size: Literal["small", "large"] = "small"
    anything: Mapping[str, Any] = field(default_factory=dict)


class Make(Look[NoInputs, None, MakeOutputs]):
    """Gives something of every type."""

    takes = NoInputs
    gives = MakeOutputs

    def look(self, inputs: NoInputs) -> None:
        return None

    def judge(self, inputs: NoInputs, seen: None) -> Gate[MakeOutputs]:
        return Open(outputs=MakeOutputs(text="", number=0, texts=()))


class Take(Look[TakeInputs, None, NoInputs]):
    """Takes something of every type."""

    takes = TakeInputs
    gives = NoInputs

    def look(self, inputs: TakeInputs) -> None:
        return None

    def judge(self, inputs: TakeInputs, seen: None) -> Gate[NoInputs]:
        return Open(outputs=NoInputs())


KINDS: Catalog = {"make": Make, "take": Take}


def plan(services: tuple[str, ...] = (), **steps: Mapping[str, Any]) -> Plan:
    """`plan(make={"uses": "make"}, …)`: a step's id is its keyword, `_` for `-`."""
    named = {name.replace("_", "-"): spec for name, spec in steps.items()}
    return Plan(name="test", services=services, steps={name: StepSpec(id=name, **spec) for name, spec in named.items()})
