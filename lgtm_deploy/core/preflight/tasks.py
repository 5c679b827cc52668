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


def _blind(facts: ServiceFacts) -> str:
    service = facts.service
    where = ", ".join(f"{address}:{service.port}" for address in facts.unreachable)
    return (
        f"{service.name}'s task {where} cannot be reached from here, so nobody could tell whether a new task answers. "
        "Run this inside the VPC, or set the environment's `task_probe` to auto or shadow."
    )
