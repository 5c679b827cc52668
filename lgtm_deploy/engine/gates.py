"""Gates that are evaluated again when a run resumes."""

from collections.abc import Mapping

from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.step import Part, Step

DONE = ("succeeded", "unchanged")

_TIME_HAS_PASSED = "its tasks are asked again: time has passed"


def gates_to_recheck(graph: Graph, run: Run, steps: Mapping[str, Step]) -> Mapping[str, str]:
    """Return the steps that are done and must run again, each with the reason.

    New tasks that answered before a run was stopped say nothing of now: ECS may have rolled them back since, for their
    health or when the hold was over, or somebody may have deployed another image. No health check may move on such a
    word. What a gate needs for the time of its look, and what removes that, is done again with it.
    """
    gates = [
        gate
        for gate in graph.nodes
        if steps[gate].part is Part.TASK_GATE
        and run.steps[gate].status in DONE
        and _comes_first(gate, graph, run, steps)
    ]
    around: dict[str, str] = {}
    for node in graph.nodes.values():
        if not _is_temporary(steps[node.id]) or run.steps[node.id].status not in DONE:
            continue
        if any(node.id in graph.nodes[gate].needs for gate in gates):
            around[node.id] = _TIME_HAS_PASSED
        elif any(need in around or need in gates for need in node.needs):
            around[node.id] = "what it removes is made again"
    # The gates last: whoever finds only the first of these written down finds the others by their gates.
    return around | dict.fromkeys(gates, _TIME_HAS_PASSED)


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
