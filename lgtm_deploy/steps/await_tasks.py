"""await-tasks: the new tasks run and answer on their health path, past the load balancer's own check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Answer, TaskState
from lgtm_deploy.core.rollout import Rollout, all_running, failure, not_healthy, waiting
from lgtm_deploy.core.shadow import answer_of, doubt_of
from lgtm_deploy.core.stack import Health, Service
from lgtm_deploy.core.step import Look, Part
from lgtm_deploy.steps.results import HealthyTasks
from lgtm_deploy.steps.rollouts import Watched, look_at

# Tasks start and become ready within seconds of each other; looking twice a second costs two batched reads a second.
_POLL = 0.5
# The load balancer asks every five seconds at most.
_POLL_OTHERS = 1.0


@dataclass(frozen=True, kw_only=True)
class Inputs(Watched):
    """`asks` is who asks the tasks: `direct` (this tool), `balancer` (their own target group, which checks the wanted
    path already) or `shadow` (the target group of that ARN).

    `sequences` is how each service's health check moves. In `direct` the new tasks pass the check as it is: the
    deployment has to be complete before it moves, so that no old task has to pass it then.
    """

    asks: str = "direct"
    shadow: str = ""
    sequences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The rollout, and what each running task answered (None: nothing), by address; `doubts`: why somebody else who
    asked cannot tell."""

    rollout: Rollout
    answers: Mapping[str, Answer | None] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)


class AwaitTasks(Look[Inputs, Seen, HealthyTasks]):
    """The gate before the load balancer's check may move to the new path.

    The load balancer cannot tell: it still checks the old path. Images have no shell. So each task is asked itself, or
    the load balancer is made to ask it on the new path as well.
    """

    part: ClassVar[Part | None] = Part.TASK_GATE
    takes = Inputs
    gives = HealthyTasks

    def look(self, inputs: Inputs) -> Seen:
        """Raises TransientError when AWS does not answer."""
        service = self.stack.service(inputs.service)
        rollout = look_at(self.ports, service, inputs)
        answers: dict[str, Answer | None] = {}
        doubts: dict[str, str] = {}
        # What no load balancer asks has no health path: its container health checks count.
        for task in rollout.running if service.target_group else ():
            try:
                answers[task.address] = self._ask(inputs, service, task)
            except TransientError as error:
                answers[task.address] = None
                if inputs.asks != "direct":
                    doubts[task.address] = str(error)
        return Seen(rollout=rollout, answers=answers, doubts=doubts)

    def judge(self, inputs: Inputs, seen: Seen) -> Gate[HealthyTasks]:
        """Open when as many new tasks as desired answer as a healthy one does, and in `direct` are all that is left."""
        if (shut := failure(seen.rollout, digest=inputs.digest)) is not None:
            return shut
        if not all_running(seen.rollout):
            return Waiting(reason=waiting(seen.rollout), poll_seconds=_POLL)
        if (waits := self._not_answering(self.stack.service(inputs.service), seen)) is not None:
            return waits
        status = seen.rollout.deployment.status
        if inputs.sequences.get(inputs.service) == "direct" and status != "SUCCESSFUL":
            return Waiting(reason=f"new tasks answer; their deployment is {status}", poll_seconds=_POLL_OTHERS)
        return Open(
            outputs=HealthyTasks(service=inputs.service, addresses=tuple(task.address for task in seen.rollout.running))
        )

    def _not_answering(self, service: Service, seen: Seen) -> Waiting | None:
        """The first new task that does not answer as a healthy one does."""
        if not service.target_group:
            sick = not_healthy(seen.rollout)
            return Waiting(reason=f"new {sick}", poll_seconds=_POLL) if sick else None
        for task in seen.rollout.running:
            wrong = wrong_with(seen.answers.get(task.address), service.health)
            if doubt := seen.doubts.get(task.address):
                return Waiting(reason=f"new task {doubt}", poll_seconds=_POLL_OTHERS)
            if wrong:
                where = f"{task.address}:{service.port}{service.health.path}"
                return Waiting(reason=f"new task {where} {wrong}", poll_seconds=_POLL)
        return None

    def _ask(self, inputs: Inputs, service: Service, task: TaskState) -> Answer:
        if inputs.shadow:
            return self.ports.shadow.ask(inputs.shadow, task.address, service.port)
        if inputs.asks == "balancer":
            return self._own(service, task.address)
        return self.ports.task_probe.ask(task.address, service.port, service.health.path)

    def _own(self, service: Service, address: str) -> Answer:
        group = self.ports.balancer.target_group(service.target_group)
        targets = [target for target in self.ports.balancer.targets(group.arn) if target.address == address]
        answers = [answer for target in targets if (answer := answer_of(target))]
        if answers:
            return answers[0]
        why = doubt_of(targets[0]) if targets else "is not registered yet"
        raise TransientError(f"{address}:{service.port} {why}.")


def wrong_with(answer: Answer | None, health: Health) -> str:
    """What keeps an answer from being a healthy one; empty when nothing does. A body counts, where it was seen."""
    if answer is None:
        return "does not answer yet"
    if answer.status != 200:  # noqa: PLR2004 - the matcher of DOMAIN's target groups
        return f"answers {answer.status}"
    if answer.body is not None and health.body not in answer.body:
        return f"answers 200 without '{health.body}'"
    return ""
