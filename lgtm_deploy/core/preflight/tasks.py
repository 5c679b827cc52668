"""How can new tasks be asked before the load balancer asks them?"""

from collections.abc import Iterable, Sequence
from typing import Literal

from lgtm_deploy.core.preflight.facts import Findings, ServiceFacts
from lgtm_deploy.core.stack import Environment

Way = Literal["direct", "shadow"]


def way(environment: Environment, services: Iterable[ServiceFacts]) -> Way:
    """`direct` where every running task can be reached from here, unless the environment says otherwise."""
    if environment.task_probe == "auto":
        return "shadow" if any(facts.unreachable for facts in services) else "direct"
    return environment.task_probe


def reachable(environment: Environment, services: Sequence[ServiceFacts], shadow_obstacle: str) -> Findings:
    """Refused when neither way can work."""
    chosen = way(environment, services)
    if chosen == "direct":
        wrong = [_blind(facts) for facts in services if facts.unreachable]
        asked = sum(len(facts.tasks) for facts in services)
        return Findings(
            wrong=tuple(wrong), told=() if wrong else (f"tasks: asked at their own addresses ({asked} reached)",)
        )
    if not shadow_obstacle:
        return Findings(told=("tasks: asked through a temporary shadow target group",))
    cut_off = [address for facts in services for address in facts.unreachable]
    why = f"The tasks at {', '.join(cut_off)} cannot be reached from here, and a" if cut_off else "A"
    return Findings(wrong=(f"{why} shadow target group cannot be made: {shadow_obstacle} Or run this inside the VPC.",))


def watchable(facts: ServiceFacts) -> Findings:
    """Refused when no task would show how the change goes, or none could be told from another."""
    wrong = []
    if facts.state and facts.state.desired == 0 and facts.changes:
        wrong.append(
            f"{facts.service.name} runs no task (the desired count of {facts.state.name} is 0), so nobody could tell "
            "whether the change works. Scale it up, or leave it out of the plan."
        )
    if facts.group and facts.group.target_type != "ip":
        wrong.append(
            f"Target group {facts.group.name} registers targets of type '{facts.group.target_type}': several tasks "
            "can share one there. Tasks are told apart by their own addresses (network mode awsvpc, target type ip)."
        )
    return Findings(wrong=tuple(wrong))


def _blind(facts: ServiceFacts) -> str:
    service = facts.service
    where = ", ".join(f"{address}:{service.port}" for address in facts.unreachable)
    return (
        f"{service.name}'s task {where} cannot be reached from here, so nobody could tell whether a new task answers. "
        "Run this inside the VPC, or set the environment's `task_probe` to auto or shadow."
    )
