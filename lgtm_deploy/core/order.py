"""The part of the documented order that types cannot hold: checked on the built graph, before approval."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lgtm_deploy.core.graph import Graph, Node
from lgtm_deploy.core.output import UnknownYetError, origin, outputs_in, resolved
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.step import Part

# With these strategies the health check moves before the new tasks are there, and the old ones pass it all the same.
EARLY = frozenset({"check-first", "matcher-widening"})


def ungated(graph: Graph, stack: Stack, result: Callable[[str], Any]) -> Iterator[str]:
    """Return each health check that would move before the new tasks of its service are known to answer, as a line.

    `result` gives the results of the steps that have run. What a saved Terraform plan moves is known by then.
    """
    by_group = {each.target_group: each.name for each in stack.services.values() if each.target_group}
    for node in graph.nodes.values():
        if node.kind.part is not Part.HEALTH_CHECK:
            continue
        planned = getattr(node.inputs, "planned", None)
        moves = _known(planned.touched, result) if planned is not None else ()
        strategy = _known(getattr(node.inputs, "sequence", ""), result)
        strategies = getattr(node.inputs, "sequences", ())
        if strategies and strategy and (strategy not in strategies or EARLY.issuperset(strategies)):
            continue
        for each in moves or ():
            name = by_group.get(each["group"], each["group"])
            if each["group"] and each["path"] and not _is_gated(graph, node, name):
                yield f"step '{node.id}' moves the health check of {name} before its new tasks are known to answer"


def _known(value: object, result: Callable[[str], Any]) -> Any:
    """Return an input as plain data; None while it is not known."""
    try:
        return resolved(value, result)
    except UnknownYetError:
        return None


def _is_gated(graph: Graph, node: Node, service: str) -> bool:
    """Whether the node takes the gate of each deployment of the service; there must be one."""
    makers = [graph.nodes.get(origin(each)[0]) for each in outputs_in(node.inputs)]
    gates = [each for each in makers if each and each.key == service]
    watched = {origin(each)[0] for gate in gates for each in outputs_in(gate.inputs)}
    deploys = (each.id for each in graph.nodes.values() if each.kind.part is Part.DEPLOY and each.key == service)
    return bool(gates) and watched.issuperset(deploys)


def turns(graph: Graph, stack: Stack) -> Mapping[str, str]:
    """Return the deployment that each deployment waits for beside its needs, by their IDs.

    Services of one Terraform root are released one at a time, in the order of the graph. A node comes after what it
    needs there, so that no two wait for each other.
    """
    found: dict[str, str] = {}
    last: dict[str, str] = {}
    for node in graph.nodes.values():
        service = stack.services.get(node.key or "") if node.kind.part is Part.DEPLOY else None
        root = service.task_definition if service else ""
        if root in last:
            found[node.id] = last[root]
        if root:
            last[root] = node.id
    return found
