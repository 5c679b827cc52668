"""await-tasks: the new tasks run and answer on their health path, asked directly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Answer
from lgtm_deploy.core.rollout import Rollout, all_running, failure, waiting
from lgtm_deploy.core.stack import Health
from lgtm_deploy.core.step import Look, Part
from lgtm_deploy.steps.rollouts import Watched, look_at

# Tasks start and become ready within seconds of each other; looking twice a second costs two batched reads a second.
_POLL = 0.5


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The rollout, and what each running task answered (None: nothing), by address."""

    rollout: Rollout
    answers: Mapping[str, Answer | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`addresses` are those of the tasks that answered."""

    addresses: tuple[str, ...]


class AwaitTasks(Look[Watched, Seen, Outputs]):
    """The gate before the load balancer's check may move to the new path.

    The load balancer cannot tell: it still checks the old path. Images have no shell. So each task is asked itself.
    """

    part: ClassVar[Part | None] = Part.TASK_GATE
    takes = Watched
    gives = Outputs

    def look(self, inputs: Watched) -> Seen:
        """Raises TransientError when AWS does not answer."""
        service = self.stack.service(inputs.service)
        rollout = look_at(self.ports, service, inputs)
        answers: dict[str, Answer | None] = {}
        for task in rollout.running:
            try:
                answers[task.address] = self.ports.task_probe.ask(task.address, service.port, service.health.path)
            except TransientError:
                answers[task.address] = None
        return Seen(rollout=rollout, answers=answers)

    def judge(self, inputs: Watched, seen: Seen) -> Gate[Outputs]:
        """Open when as many new tasks as desired answer as a healthy one does."""
        if (shut := failure(seen.rollout, digest=inputs.digest)) is not None:
            return shut
        if not all_running(seen.rollout):
            return Waiting(reason=waiting(seen.rollout), poll_seconds=_POLL)
        service = self.stack.service(inputs.service)
        for task in seen.rollout.running:
            wrong = wrong_with(seen.answers.get(task.address), service.health)
            if wrong:
                where = f"{task.address}:{service.port}{service.health.path}"
                return Waiting(reason=f"new task {where} {wrong}", poll_seconds=_POLL)
        return Open(outputs=Outputs(addresses=tuple(task.address for task in seen.rollout.running)))


def wrong_with(answer: Answer | None, health: Health) -> str:
    """What keeps an answer from being a healthy one; empty when nothing does. A body counts, where it was seen."""
    if answer is None:
        return "does not answer yet"
    if answer.status != 200:  # noqa: PLR2004 - the matcher of DOMAIN's target groups
        return f"answers {answer.status}"
    if answer.body is not None and health.body not in answer.body:
        return f"answers 200 without '{health.body}'"
    return ""
