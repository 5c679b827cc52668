"""shadow-targets: a way to ask new tasks on the new path for those who cannot reach them."""

from dataclasses import dataclass, replace
from typing import ClassVar

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Progress, ShadowRequest
from lgtm_deploy.core.shadow import shadow_name, tells_of
from lgtm_deploy.core.step import Action, Change, Nothing, Proposal
from lgtm_deploy.steps.target_groups import group_of


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`task_probe` is what preflight has found to work, `direct` or `shadow`; empty: what the environment says, where
    `auto` stands for `direct`."""

    service: str
    task_probe: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The ARN of the shadow target group that is there, if any, and whether it is complete and made by this very step;
    `group` is the ARN of the service's own target group, which may ask the new path already; empty: it has none."""

    group: str
    asks_already: bool
    found: str = ""
    complete: bool = False
    made: bool = False


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`shadow` is the ARN of the shadow target group, or empty. `asks` is who asks the tasks: `direct` (this tool),
    `shadow`, or `balancer` (the service's own target group, where it checks the wanted path already)."""

    shadow: str
    asks: str


class ShadowTargets(Action[Inputs, Seen, Outputs]):
    """A temporary target group that checks the new path. It is there until `remove-shadow`, or until the run is undone.

    What a run that was killed has left is found by its name, and replaced or removed.
    """

    temporary: ClassVar[bool] = True
    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when the service's own target group is missing."""
        service = self.stack.service(inputs.service)
        group = group_of(self.ports.balancer, service)
        if group is None:
            return Seen(group="", asks_already=False)
        there = self.ports.shadow.find(shadow_name(self.stack, inputs.service))
        return Seen(
            group=group.arn,
            asks_already=tells_of(group.health_check, service.health.path),
            found=there.arn if there else "",
            complete=there.complete if there else False,
        )

    def recall(self, seen: Seen, first: Seen) -> Seen:
        """What was not there at the first look is this step's own."""
        return replace(seen, made=seen.found not in ("", first.found))

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when the tasks can be asked without it, or when it is there."""
        asks = self._asks(inputs, seen)
        if asks == "shadow" and not (seen.made and seen.complete):
            service = self.stack.service(inputs.service)
            name = shadow_name(self.stack, inputs.service)
            where = f"target group {name} checks {service.health.path}; it is removed before the health check moves"
            return Change(summary=f"ask {inputs.service}'s new tasks by a shadow target group", details=(where,))
        if asks != "shadow" and seen.found:
            return Change(summary=f"remove {inputs.service}'s shadow target group, left by an earlier run")
        return Nothing(outputs=Outputs(shadow=seen.found, asks=asks))

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises InDoubtError when an answer is lost, AlreadyExistsError when somebody else has the name."""
        asks, name = self._asks(inputs, seen), shadow_name(self.stack, inputs.service)
        if asks != "shadow":
            self.ports.shadow.remove(name)
            return Outputs(shadow="", asks=asks)
        service, environment = self.stack.service(inputs.service), self.stack.environment
        arn = self.ports.shadow.create(
            ShadowRequest(
                name=name,
                like=seen.group,
                path=service.health.path,
                port=service.port,
                load_balancer=environment.load_balancer,
                tags={"lgtm-deploy.environment": environment.name, "lgtm-deploy.service": inputs.service},
            )
        )
        return Outputs(shadow=arn, asks=asks)

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Removes it: also one that was there before, for it was nobody's any more."""
        self.ports.shadow.remove(shadow_name(self.stack, inputs.service))

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Open when there is none."""
        name = shadow_name(self.stack, inputs.service)
        if self.ports.shadow.find(name) is None:
            return Open(outputs=None)
        return Waiting(reason=f"shadow target group {name} is still there")

    def _asks(self, inputs: Inputs, seen: Seen) -> str:
        wanted = inputs.task_probe or self.stack.environment.task_probe
        if wanted != "shadow" or not seen.group:
            return "direct"
        return "balancer" if seen.asks_already else "shadow"
