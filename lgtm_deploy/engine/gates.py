"""Which gates have to be looked through again when a run goes on?"""

from collections.abc import Mapping

from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.step import Part, Step

DONE = ("succeeded", "unchanged")


def doubtful(graph: Graph, run: Run, steps: Mapping[str, Step]) -> Mapping[str, str]:
    """Steps that are done and have to be done again, and why.

    New tasks that answered before a run was stopped say nothing of now: ECS may have rolled them back since, for their
    health or when the hold was over, or somebody may have deployed another image. No health check may move on such a
    word. What a gate needs for the time of its look, and what removes that, is done again with it.
    """
    found: dict[str, str] = {}
    for gate in graph.nodes:
        if (
            steps[gate].part is Part.TASK_GATE
            and run.steps[gate].status in DONE
            and _comes_first(gate, graph, run, steps)
        ):
            reason = "its tasks are asked again: time has passed"
            needs = (need for need in graph.nodes[gate].needs if _is_temporary(steps[need]))
            found.update(dict.fromkeys((gate, *needs), reason))
    for node in graph.nodes.values():
        if _is_temporary(steps[node.id]) and run.steps[node.id].status in DONE and found.keys() & set(node.needs):
            found.setdefault(node.id, "what it removes is made again")
    return found


def _comes_first(gate: str, graph: Graph, run: Run, steps: Mapping[str, Step]) -> bool:
    """Whether the first step after the gate that may move a health check has still to do so."""
    after = {gate}
    for node in graph.nodes.values():
        if after.isdisjoint(node.needs):
            continue
        after.add(node.id)
        if steps[node.id].part is Part.HEALTH_CHECK:
            return run.steps[node.id].status not in DONE
    return False


def _is_temporary(step: Step) -> bool:
    return bool(getattr(step, "temporary", False))
