"""hold-grace-period: keep ECS from stopping tasks while the health check is between two paths."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lgtm_deploy.core.gate import Gate
from lgtm_deploy.core.handover import HOLD_MARGIN, hold_seconds
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.step import Action, Change, Nothing, Proposal
from lgtm_deploy.steps.grace_period import grace_period_is


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`windows` are the seconds that each service's handover may take; a service with 0, or without one, needs no
    hold."""

    service: str
    windows: Mapping[str, int]

    @property
    def window(self) -> int:
        """This service's own."""
        return self.windows.get(self.service, 0)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The grace period before the hold, the one now and the one to hold, in seconds."""

    grace_period: int
    now: int
    hold: int


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`before` is the grace period to come back to, in seconds."""

    before: int


class HoldGracePeriod(Action[Inputs, Seen, Outputs]):
    """Raises the service's health check grace period; starts no deployment (ECS API reference, UpdateService)."""

    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when there is no such service."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        running = [task for task in self.ports.rollouts.tasks(service.ecs_service) if task.status == "running"]
        starts = [task.started_at for task in running if task.started_at]
        oldest = min(starts) if starts else None
        return Seen(
            grace_period=state.grace_period_seconds,
            now=state.grace_period_seconds,
            hold=hold_seconds(now=self.ports.clock.now(), oldest_start=oldest, window=inputs.window),
        )

    def recall(self, seen: Seen, first: Seen) -> Seen:
        """The grace period to come back to is the one before this step's own hold."""
        return replace(seen, grace_period=first.grace_period)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when the handover needs no hold, or when it is held as long already."""
        if not inputs.window or seen.now >= seen.hold - HOLD_MARGIN:
            return Nothing(outputs=Outputs(before=seen.grace_period))
        return Change(summary=f"hold {inputs.service}'s grace period: {seen.now} s -> {seen.hold} s")

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises InDoubtError when the answer is lost."""
        service = self.stack.service(inputs.service)
        self.ports.host.update(service.ecs_service, grace_period_seconds=seen.hold)
        return Outputs(before=seen.grace_period)

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Gives the service its own grace period back."""
        service = self.stack.service(inputs.service)
        self.ports.host.update(service.ecs_service, grace_period_seconds=seen.grace_period)

    def thing(self, inputs: Inputs) -> str:
        """The service's grace period."""
        return f"grace period of {inputs.service}"

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Open when the grace period is what it was."""
        return grace_period_is(self.ports.host, self.stack.service(inputs.service), seen.grace_period)
