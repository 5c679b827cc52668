"""Which step comes after which: the plan's steps, one node per key, in order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.plan import Plan, StepSpec

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something wrong in a plan. `path` leads to it in the file, such as `("steps", "push", "needs", 0)`."""

    path: Path
    message: str
    resolution: str = ""


@dataclass(frozen=True, kw_only=True)
class Node:
    """One step for one key (or for none)."""

    id: str
    spec: StepSpec
    key: str | None
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes by id, in an order in which every node comes after what it needs."""

    nodes: Mapping[str, Node]

    def only(self, name: str) -> "Graph":
        """The nodes of one step (or one node) and everything they need: their order stays what it is.

        Raises UsageError when there is no such step.
        """
        todo = [node.id for node in self.nodes.values() if name in (node.id, node.spec.id)]
        if not todo:
            steps = dict.fromkeys(node.spec.id for node in self.nodes.values())
            raise UsageError(f"The plan has no step '{name}'.", resolution=f"It has: {', '.join(steps)}.")
        kept: set[str] = set()
        while todo:
            node = todo.pop()
            kept.add(node)
            todo.extend(need for need in self.nodes[node].needs if need not in kept)
        return Graph({identifier: node for identifier, node in self.nodes.items() if identifier in kept})

    def dependents(self) -> dict[str, list[str]]:
        """Who needs a node, by its id."""
        found: dict[str, list[str]] = {node: [] for node in self.nodes}
        for node in self.nodes.values():
            for need in node.needs:
                found[need].append(node.id)
        return found


def node_id(step: str, key: str | None) -> str:
    """How a node is called: `push[tempo]`, or `flip` when it has no key."""
    return step if key is None else f"{step}[{key}]"


def keys_of(plan: Plan, step: str) -> tuple[str, ...] | None:
    """The keys of a `for_each` step; None for a step that runs once."""
    each = plan.steps[step].for_each
    if each == "services":
        return plan.services
    return plan.coupled if each == "coupled" else each


def upstream(plan: Plan, step: str) -> set[str]:
    """All steps that come before this one, by way of `needs`."""
    found: set[str] = set()
    todo = list(plan.steps[step].needs)
    while todo:
        need = todo.pop()
        if need not in found and need in plan.steps:
            found.add(need)
            todo.extend(plan.steps[need].needs)
    return found


def order_faults(plan: Plan) -> list[Fault]:
    """Unknown needs and cycles."""
    unknown = [
        Fault(
            path=("steps", spec.id, "needs", position),
            message=f"Step '{spec.id}' needs '{need}', which is not a step of this plan.",
            resolution=f"It has: {', '.join(plan.steps)}.",
        )
        for spec in plan.steps.values()
        for position, need in enumerate(spec.needs)
        if need not in plan.steps
    ]
    if unknown:
        return unknown
    try:
        TopologicalSorter({spec.id: spec.needs for spec in plan.steps.values()}).prepare()
    except CycleError as error:
        around = list(reversed(error.args[1]))
        last = plan.steps[around[0]]
        return [
            Fault(
                path=("steps", last.id, "needs", last.needs.index(around[1])),
                message=f"Steps need each other in a circle: {' -> '.join(around)}.",
                resolution="Take one of these needs out.",
            )
        ]
    return []


def expand(plan: Plan) -> Graph:
    """The graph of a plan without order faults."""
    sorter = TopologicalSorter({spec.id: spec.needs for spec in plan.steps.values()})
    nodes: dict[str, Node] = {}
    for step in sorter.static_order():
        for key in _or_once(keys_of(plan, step)):
            identifier = node_id(step, key)
            nodes[identifier] = Node(id=identifier, spec=plan.steps[step], key=key, needs=_needs(plan, step, key))
    return Graph(nodes)


def _or_once(keys: tuple[str, ...] | None) -> Iterable[str | None]:
    return (None,) if keys is None else keys


def _needs(plan: Plan, step: str, key: str | None) -> tuple[str, ...]:
    own = keys_of(plan, step)
    found: list[str] = []
    for need in plan.steps[step].needs:
        theirs = keys_of(plan, need)
        # Inside one key a step needs its own key's; a shared step needs every key's.
        keys = (key,) if theirs is not None and theirs == own else _or_once(theirs)
        found.extend(node_id(need, each) for each in keys)
    return tuple(found)
