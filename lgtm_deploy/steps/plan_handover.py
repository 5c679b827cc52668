"""plan-handover: in which sequence do health check and images change, so that a target is healthy at every moment?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lgtm_deploy.core.contract import Contract
from lgtm_deploy.core.gate import Gate, Open, Shut
from lgtm_deploy.core.handover import Decision, Facts, astray, decide, told
from lgtm_deploy.core.ports import TaskState
from lgtm_deploy.core.step import Look
from lgtm_deploy.core.touched import Touched
from lgtm_deploy.steps.results import ChosenStrategy


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`contracts` are what the images of each service answer; `allow` are the sequences that the plan has steps for.

    `touched` is what the saved Terraform plan updates.
    """

    services: tuple[str, ...]
    contracts: Mapping[str, Contract]
    allow: tuple[str, ...]
    touched: tuple[Touched, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What each service's handover depends on."""

    facts: tuple[Facts, ...]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`sequence` is for all services behind the one flip, `none` where no health check moves; `sequences` is each
    service's own.

    `windows` are the seconds for which each service's grace period must be held, 0: it need not be. `variables` are
    Terraform variables to plan the flip with, and to leave out again when the handover is over.
    """

    sequence: ChosenStrategy
    sequences: Mapping[str, str]
    windows: Mapping[str, int]
    variables: Mapping[str, str]
    told: tuple[str, ...]


class PlanHandover(Look[Inputs, Seen, Outputs]):
    """Looks at services, target groups and tasks, and decides; or refuses, before anything outside is changed."""

    takes = Inputs
    gives = Outputs

    def look(self, inputs: Inputs) -> Seen:
        """Raises TransientError when AWS does not answer, NotFoundError when a service or target group is missing."""
        # Where no load balancer checks a service, nothing is handed over.
        checked = [name for name in inputs.services if self.stack.service(name).target_group]
        return Seen(facts=tuple(self._facts(name, inputs.contracts[name]) for name in checked))

    def judge(self, inputs: Inputs, seen: Seen) -> Gate[Outputs]:
        """Open with the decision; refused with every reason."""
        moved = [
            f"{facts.service.name}: the load balancer checks {facts.check.path}, and checked "
            f"{facts.contract.old_path} when the images were tried out. Plan again."
            for facts in seen.facts
            if facts.check.path != facts.contract.old_path
        ]
        if moved:
            return Shut(reason=" ".join(moved), kind="refused")
        if wrong := tuple(astray(seen.facts, inputs.touched)):
            return Shut(reason=" ".join(map(str, wrong)), kind="refused")
        decision = decide(seen.facts, allow=inputs.allow)
        if not isinstance(decision, Decision):
            return Shut(reason=" ".join(map(str, decision)), kind="refused")
        others = [name for name in inputs.services if name not in decision.windows]
        return Open(
            outputs=Outputs(
                sequence=ChosenStrategy(decision.sequence),
                sequences={**decision.sequences, **dict.fromkeys(others, "direct")},
                windows={**decision.windows, **dict.fromkeys(others, 0)},
                variables=decision.variables,
                told=told(seen.facts, decision),
            )
        )

    def _facts(self, name: str, contract: Contract) -> Facts:
        service = self.stack.service(name)
        state = self.ports.host.service(service.ecs_service)
        group = self.ports.balancer.target_group(service.target_group)
        running = [task for task in self.ports.rollouts.tasks(service.ecs_service) if task.status == "running"]
        return Facts(
            service=service,
            contract=contract,
            check=group.health_check,
            desired=state.desired,
            grace_period=state.grace_period_seconds,
            minimum_percent=state.minimum_healthy_percent,
            maximum_percent=state.maximum_percent,
            breaker=state.circuit_breaker,
            deregistration_delay=group.deregistration_delay,
            oldest_age=_oldest_age(running, self.ports.clock.now()),
            start_seconds=_longest_start(running),
        )


def _oldest_age(running: Sequence[TaskState], now: datetime) -> float:
    return max(((now - task.started_at).total_seconds() for task in running if task.started_at), default=0.0)


def _longest_start(running: Sequence[TaskState]) -> float:
    """How long today's tasks took to start: what replaces them will take as long."""
    starts = [
        (task.started_at - task.created_at).total_seconds()
        for task in running
        if task.started_at is not None and task.created_at is not None
    ]
    return max([0.0, *starts])
