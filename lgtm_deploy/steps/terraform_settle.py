"""terraform-settle: after the handover, what it had changed for a while is as committed again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.steps.terraform_roots import (
    Empty,
    apply_plan,
    briefly,
    broken_by,
    narrowed,
    not_back,
    recorded,
    save_plan,
)


@dataclass(frozen=True, kw_only=True)
class SettleInputs:
    """`variables` are those of the handover, `touched` is what was changed with them."""

    root: str
    touched: tuple[Allowance, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SettleSeen:
    """The health checks as they were, by the Terraform variables that set them, and whether they are known to be as
    committed already."""

    root: str
    before: Mapping[str, str] = field(default_factory=dict)
    settled: bool = False


class TerraformSettle(Action[SettleInputs, SettleSeen, Empty]):
    """Plans the root as it is committed and applies that: thresholds that were raised come back, and a matcher that was
    widened is narrow again. Of all that was changed, only the attributes that the variables set may change here."""

    part: ClassVar[Part | None] = Part.HEALTH_CHECK
    takes = SettleInputs
    sees = SettleSeen
    gives = Empty

    def observe(self, inputs: SettleInputs) -> SettleSeen:
        """Raises NotFoundError when a target group is missing."""
        return SettleSeen(root=inputs.root, before=recorded(self.stack, self.ports))

    def recall(self, seen: SettleSeen, first: SettleSeen) -> SettleSeen:
        """Whether it was applied only another plan can tell."""
        planned = save_plan(self.stack, self.ports, seen.root, {}, briefly(self.ports.clock), purpose="recall")
        return SettleSeen(root=seen.root, before=first.before, settled=not planned.changes)

    def propose(self, inputs: SettleInputs, seen: SettleSeen) -> Proposal[Empty]:
        """Nothing when the handover changed nothing for a while, or it is back."""
        if not inputs.variables or seen.settled:
            return Nothing(outputs=Empty())
        names = tuple(sorted(inputs.variables))
        return Change(summary=f"terraform apply {inputs.root} without {', '.join(names)}")

    def apply(self, inputs: SettleInputs, seen: SettleSeen, progress: Progress) -> Empty:
        """Raises PermanentError when more would change than the variables set, InDoubtError when Terraform died on the
        way."""
        self._plan_and_apply(inputs.root, {}, narrowed(self.stack, inputs.touched, inputs.variables), progress)
        return Empty()

    def compensate(self, inputs: SettleInputs, seen: SettleSeen, progress: Progress) -> None:
        """Plans the recorded health checks and applies that. Raises PermanentError when more would come back."""
        self._plan_and_apply(inputs.root, seen.before, inputs.touched, progress, purpose="rollback")

    def thing(self, inputs: SettleInputs) -> str:
        """The health checks, which are recorded as a whole."""
        return "health checks"

    def restored(self, inputs: SettleInputs, seen: SettleSeen) -> Gate[None]:
        """Open when every recorded health check is back."""
        wrong = not_back(self.stack, self.ports, seen.before)
        return Waiting(reason=wrong) if wrong else Open(outputs=None)

    def _plan_and_apply(
        self,
        root: str,
        variables: Mapping[str, str],
        allowed: tuple[Allowance, ...],
        progress: Progress,
        *,
        purpose: str = "settle",
    ) -> None:
        planned = save_plan(self.stack, self.ports, root, variables, progress, purpose=purpose)
        wrong = broken_by(root, planned, allowed)
        if wrong:
            raise PermanentError(wrong, resolution="Bring the health checks back by hand.")
        if planned.changes:
            apply_plan(self.stack, self.ports, root, planned, progress)
