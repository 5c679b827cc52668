"""What can be told of a graph before it runs: whose service a step is, what its inputs are, what comes first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Graph, Node, expand, keys_of, node_id
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.reference import references, sole
from lgtm_deploy.core.step import Part, Step


@dataclass(frozen=True)
class Trace:
    """A graph, which is the plan's own or what a run uses of it, and what its inputs say."""

    plan: Plan
    graph: Graph
    catalog: Mapping[str, type[Step]]

    @cached_property
    def before(self) -> Mapping[str, frozenset[str]]:
        """All that comes before a node, by its id."""
        found: dict[str, frozenset[str]] = {}
        for node in self.graph.nodes.values():
            found[node.id] = frozenset(node.needs).union(*(found.get(need, frozenset()) for need in node.needs))
        return found

    @cached_property
    def deployed(self) -> tuple[str, ...]:
        """The services that the whole plan deploys, whatever part of it the graph is."""
        nodes = expand(self.plan).nodes.values()
        names = (self.service(node) for node in nodes if self.part(node) is Part.DEPLOY)
        return tuple(dict.fromkeys(name for name in names if name))

    def part(self, node: Node) -> Part | None:
        """The part that the node plays."""
        return self.catalog[node.spec.uses].part

    def all_of(self, part: Part) -> Iterator[Node]:
        """The nodes that play the part."""
        return (node for node in self.graph.nodes.values() if self.part(node) is part)

    def of(self, part: Part, like: Node) -> Iterator[Node]:
        """The nodes that play the part for the same service."""
        service = self.service(like)
        return (node for node in self.all_of(part) if self.service(node) == service)

    def service(self, node: Node) -> str | None:
        """The service that the node works on; None when only a run can tell."""
        value = node.spec.with_.get("service")
        if not isinstance(value, str):
            return None
        try:
            if (only := sole(value)) is not None:
                return node.key if only.text == "each" else None
            return None if any(references(value)) else value
        except UsageError:
            return None

    def origin(self, node: Node, name: str) -> tuple[str, str] | None:
        """The node and the output that an input is, when it is one output and nothing else."""
        only = sole(node.spec.with_.get(name))
        if only is None or not only.step:
            return None
        theirs = keys_of(self.plan, only.step)
        if theirs is None:
            return only.step, only.output
        if theirs == keys_of(self.plan, node.spec.id):
            return node_id(only.step, node.key), only.output
        return None

    def maker(self, node: Node, name: str, part: Part) -> Node | None:
        """The node of that part, for the same service and before this one, that the input comes from."""
        origin = self.origin(node, name)
        if origin is None or origin[0] not in self.before[node.id]:
            return None
        return next((each for each in self.of(part, node) if each.id == origin[0]), None)

    def made_by(self, maker: Node, node: Node, *names: str) -> bool:
        """Whether these inputs are the outputs of the same names of that node."""
        return all(self.origin(node, name) == (maker.id, name) for name in names)

    def same(self, one: Node, other: Node, *names: str) -> bool:
        """Whether both take these inputs from the same place."""
        return all(self.origin(one, name) == self.origin(other, name) is not None for name in names)
