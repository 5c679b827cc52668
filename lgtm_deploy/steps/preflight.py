"""preflight: is everything there that the plan is about to change? All that is missing is said at once."""

from collections.abc import Callable
from dataclasses import dataclass

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.gate import Gate, Open, Shut
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Look

# A tag that no image has: asking for it tells whether the repository is there.
_NO_TAG = "lgtm-deploy-preflight"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`services` are names in the stack file."""

    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is wrong, a line each."""

    wrong: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Nothing."""


class Preflight(Look[Inputs, Seen, Outputs]):
    """Looks at repositories, services, target groups and the way to the tasks; changes nothing."""

    takes = Inputs
    gives = Outputs

    def look(self, inputs: Inputs) -> Seen:
        """Raises TransientError when AWS does not answer."""
        services = map(self.stack.service, inputs.services)
        return Seen(wrong=tuple(each for service in services for each in self._service(service)))

    def judge(self, inputs: Inputs, seen: Seen) -> Gate[Outputs]:
        """Open when nothing is wrong; else refused."""
        if seen.wrong:
            return Shut(reason="; ".join(seen.wrong), kind="refused")
        return Open(outputs=Outputs())

    def _service(self, service: Service) -> list[str]:
        ports = self.ports
        return [
            *_said(lambda: ports.registry.digest_of(service.repository, _NO_TAG)),
            *_said(lambda: ports.balancer.target_group(service.target_group)),
            *_said(lambda: self._tasks(service)),
        ]

    def _tasks(self, service: Service) -> None:
        self.ports.host.service(service.ecs_service)
        for task in self.ports.rollouts.tasks(service.ecs_service):
            if task.status == "running" and not self.ports.task_probe.reaches(task.address, service.port):
                raise PermanentError(
                    f"{service.name}'s task {task.address}:{service.port} cannot be reached from here, so nobody could "
                    "tell whether a new task answers.",
                    resolution="Run this inside the VPC.",
                )


def _said(look: Callable[[], object]) -> list[str]:
    try:
        look()
    except PermanentError as error:
        return [str(error)]
    return []
