"""release-grace-period: give the service the grace period back that it had before the hold."""

from dataclasses import dataclass

from lgtm_deploy.core.gate import Gate
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.step import Action, Change, Nothing, Proposal
from lgtm_deploy.steps.grace_period import grace_period_is


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`seconds` is the grace period to set."""

    service: str
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The grace period now, in seconds."""

    grace_period: int


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Nothing."""


class ReleaseGracePeriod(Action[Inputs, Seen, Outputs]):
    """Ends the hold. Undone, it holds again: what is rolled back after it needs the hold, too."""

    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when there is no such service."""
        state = self.ports.host.service(self.stack.service(inputs.service).ecs_service)
        return Seen(grace_period=state.grace_period_seconds)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when it is as it was."""
        if seen.grace_period == inputs.seconds:
            return Nothing(outputs=Outputs())
        return Change(summary=f"release {inputs.service}'s grace period: {seen.grace_period} s -> {inputs.seconds} s")

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises InDoubtError when the answer is lost."""
        self._set(inputs, inputs.seconds)
        return Outputs()

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Holds again."""
        self._set(inputs, seen.grace_period)

    def thing(self, inputs: Inputs) -> str:
        """The service's grace period."""
        return f"grace period of {inputs.service}"

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Open when it is held as it was."""
        return grace_period_is(self.ports.host, self.stack.service(inputs.service), seen.grace_period)

    def _set(self, inputs: Inputs, seconds: int) -> None:
        service = self.stack.service(inputs.service)
        self.ports.host.update(service.ecs_service, grace_period_seconds=seconds)
