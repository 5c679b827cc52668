"""A graph as text: for a terminal, for Markdown, for Graphviz, for a program."""

import json
from collections.abc import Callable, Iterator, Mapping

from lgtm_deploy.core.graph import Graph


def ascii_(graph: Graph) -> Iterator[str]:
    """Ranks from first to last: what stands in one rank can run side by side."""
    rank: dict[str, int] = {}
    for node in graph.nodes.values():
        rank[node.id] = max((rank[need] + 1 for need in node.needs), default=0)
    width = max((len(node) for node in graph.nodes), default=0)
    for level in range(max(rank.values(), default=-1) + 1):
        if level:
            yield ""
        for node in graph.nodes.values():
            if rank[node.id] == level:
                needs = f"  <- {', '.join(node.needs)}" if node.needs else ""
                yield f"{level + 1:>3}  {node.id:<{width}}{needs}"


def phases(graph: Graph) -> Iterator[str]:
    """Phases in the documented order, with their steps and the keys of each."""
    found = graph.phases()
    width = max((len(phase) for phase in found), default=0)
    for phase, nodes in found.items():
        keys: dict[str, list[str]] = {}
        for node in nodes:
            keys.setdefault(node.step, []).extend([node.key] if node.key else [])
        steps = (f"{step}[{', '.join(each)}]" if each else step for step, each in keys.items())
        for number, step in enumerate(steps):
            yield f"{phase if number == 0 else '':<{width}}  {step}"


def mermaid(graph: Graph) -> Iterator[str]:
    """A flowchart as Mermaid draws it in Markdown."""
    names = {node: f"n{number}" for number, node in enumerate(graph.nodes)}
    yield "flowchart TD"
    for node in graph.nodes.values():
        yield f'  {names[node.id]}["{node.id}"]'
    for node in graph.nodes.values():
        for need in node.needs:
            yield f"  {names[need]} --> {names[node.id]}"


def dot(graph: Graph) -> Iterator[str]:
    """A digraph for Graphviz."""
    yield "digraph plan {"
    yield "  node [shape=box];"
    for node in graph.nodes.values():
        yield f'  "{node.id}";'
        for need in node.needs:
            yield f'  "{need}" -> "{node.id}";'
    yield "}"


def json_(graph: Graph) -> Iterator[str]:
    """One object: steps by id, with kind, key and needs."""
    nodes = {
        node.id: {"uses": node.uses, "phase": node.phase.value, "key": node.key, "needs": list(node.needs)}
        for node in graph.nodes.values()
    }
    yield json.dumps(nodes, indent=2)


DRAWINGS: Mapping[str, Callable[[Graph], Iterator[str]]] = {
    "ascii": ascii_,
    "mermaid": mermaid,
    "dot": dot,
    "json": json_,
}
