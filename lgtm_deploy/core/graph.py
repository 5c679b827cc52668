"""The step graph: which steps a run has, what they take from each other, and which comes after which."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, cast

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.output import VARIABLES, Output, RecipeError, origin, outputs_in
from lgtm_deploy.core.plan import RetryPolicy
from lgtm_deploy.core.step import Action, Look, Step

InputsT = TypeVar("InputsT")
OutputsT = TypeVar("OutputsT")

_ID = re.compile(r"[A-Za-z_][\w-]*(\[[^\[\]]+\])?")


class Phase(StrEnum):
    """The part of a change that a step belongs to, in the documented order."""

    PREPARE = "prepare"
    BUILD = "build"
    PUSH = "push"
    DEPLOY = "deploy"
    WAIT = "wait for healthy tasks"
    HEALTH_CHECK = "health check"
    VERIFY = "verify"


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """One step. `inputs` is the dataclass that its kind takes, with outputs of earlier steps in it. `needs` are the IDs
    of the steps before it. `timeout` is in seconds."""

    id: str
    kind: type[Step]
    inputs: Any
    needs: tuple[str, ...] = ()
    title: str = ""
    phase: Phase = Phase.PREPARE
    timeout: float = 900.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def step(self) -> str:
        """The name without the key: `push` of `push[tempo]`."""
        return self.id.partition("[")[0]

    @property
    def key(self) -> str | None:
        """The service, or whatever else it is repeated for: `tempo` of `push[tempo]`."""
        return self.id.partition("[")[2].removesuffix("]") or None

    @property
    def uses(self) -> str:
        """The name of its step kind: `push-image` of the class PushImage."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.kind.__name__).lower()


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes by ID, in an order in which every node comes after what it needs."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def add(
        self,
        identifier: str,
        kind: type[Action[InputsT, Any, OutputsT]] | type[Look[InputsT, Any, OutputsT]],
        inputs: InputsT,
        *,
        title: str,
        phase: Phase,
        after: Iterable[object] = (),
        timeout: float = 900.0,
        retry: RetryPolicy | None = None,
    ) -> OutputsT:
        """Add a step and return the promise of its result, which later steps take as an input.

        It comes after every step whose output it takes, and after the steps whose outputs `after` holds. Raises
        RecipeError: the ID is taken or malformed, or an output is of a step that this graph does not have.
        """
        if identifier in self.nodes or not _ID.fullmatch(identifier) or identifier == VARIABLES:
            raise RecipeError(f"'{identifier}' cannot be the ID of a step: it is taken, or malformed.")
        taken = [*outputs_in(inputs), *outputs_in(tuple(after))]
        needs = tuple(dict.fromkeys(step for each in taken if (step := origin(each)[0]) != VARIABLES))
        if unknown := [need for need in needs if need not in self.nodes]:
            raise RecipeError(f"Step '{identifier}' takes an output of '{unknown[0]}', which was not added before it.")
        self.nodes[identifier] = Node(
            id=identifier,
            kind=kind,
            inputs=inputs,
            needs=needs,
            title=title,
            phase=phase,
            timeout=timeout,
            retry=retry or RetryPolicy(),
        )
        return cast("OutputsT", Output(identifier, kind.gives))

    def variable(self, name: str) -> str:
        """Return the promise of a variable: of the plan file's `vars` or `secrets`, or of `--var`."""
        return cast("str", Output(VARIABLES, Any, (name,)))

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that its steps take."""
        outputs = (origin(each) for node in self.nodes.values() for each in outputs_in(node.inputs))
        return frozenset(path[0] for step, path in outputs if step == VARIABLES)

    def only(self, name: str) -> "Graph":
        """Return the nodes of one step (or one node) and everything they need, in the same order.

        Raises UsageError when there is no such step.
        """
        todo = [node.id for node in self.nodes.values() if name in (node.id, node.step)]
        if not todo:
            steps = dict.fromkeys(node.step for node in self.nodes.values())
            raise UsageError(f"The plan has no step '{name}'.", resolution=f"It has: {', '.join(steps)}.")
        kept: set[str] = set()
        while todo:
            node = todo.pop()
            kept.add(node)
            todo.extend(need for need in self.nodes[node].needs if need not in kept)
        return self.part(kept)

    def part(self, names: Iterable[str] | Mapping[str, object]) -> "Graph":
        """Return the nodes with these IDs. Raises UsageError when one of them needs a node that is left out."""
        wanted = set(names)
        kept = {identifier: node for identifier, node in self.nodes.items() if identifier in wanted}
        for node in kept.values():
            if left_out := [need for need in node.needs if need not in kept]:
                raise UsageError(f"Step '{node.id}' needs '{left_out[0]}', which this run leaves out.")
        return Graph(kept)

    def phases(self) -> Mapping[Phase, list[Node]]:
        """Return the nodes of each phase that has any, in the documented order."""
        found = {phase: [node for node in self.nodes.values() if node.phase is phase] for phase in Phase}
        return {phase: nodes for phase, nodes in found.items() if nodes}

    def dependents(self) -> dict[str, list[str]]:
        """Return the nodes that need each node, by its ID."""
        found: dict[str, list[str]] = {node: [] for node in self.nodes}
        for node in self.nodes.values():
            for need in node.needs:
                found[need].append(node.id)
        return found

    def digest(self) -> str:
        """Return the SHA-256 of steps, kinds, inputs and order: a run that is resumed must have the same graph."""
        lines = (f"{node.id} {node.uses} {sorted(node.needs)} {node.inputs!r}" for node in self.nodes.values())
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
