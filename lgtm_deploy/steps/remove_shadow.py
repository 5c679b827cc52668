"""remove-shadow: the shadow target group has done its work."""

from dataclasses import dataclass
from typing import ClassVar

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.shadow import shadow_name
from lgtm_deploy.core.step import Action, Change, Nothing, Proposal


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`shadow` is the ARN of the service's shadow target group; empty when it has none."""

    service: str
    shadow: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Whether it is there."""

    there: bool


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Nothing."""


class RemoveShadow(Action[Inputs, Seen, Outputs]):
    """Removes the group with its rule and its registrations. A rollback leaves it removed, as the run found it."""

    # It also goes when a run ends without a rollback.
    temporary: ClassVar[bool] = True
    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Looks only for one that was made."""
        found = self.ports.shadow.find(shadow_name(self.stack, inputs.service)) if inputs.shadow else None
        return Seen(there=found is not None)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when it is gone."""
        if not seen.there:
            return Nothing(outputs=Outputs())
        return Change(summary=f"remove {inputs.service}'s shadow target group")

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises TransientError while its rule is not gone everywhere."""
        self.ports.shadow.remove(shadow_name(self.stack, inputs.service))
        return Outputs()

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Remove it: a removal whose answer was lost may have had no effect."""
        self.ports.shadow.remove(shadow_name(self.stack, inputs.service))

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Return Open when it is gone: the run itself had made it."""
        name = shadow_name(self.stack, inputs.service)
        if self.ports.shadow.find(name) is None:
            return Open(outputs=None)
        return Waiting(reason=f"shadow target group {name} is still there")
