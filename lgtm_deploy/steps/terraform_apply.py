"""terraform-apply: exactly the saved plan, in the sequences that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.ports import PlannedChanges, Progress
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.steps.terraform_roots import Empty, apply_plan, briefly, broken_by, not_back, recorded, save_plan


@dataclass(frozen=True, kw_only=True)
class ApplyInputs:
    """The saved plan to apply; it is not applied when it has no `changes`, nor when the health check moves in a
    `sequence` that is not among the `sequences` of this step (none named: in every one).

    `touched` is what it updates, and so what a rollback may bring back; `variables` are those that it was planned with.
    """

    root: str
    plan: str
    sha256: str
    changes: tuple[str, ...]
    touched: tuple[Allowance, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    sequence: str = ""
    sequences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ApplySeen:
    """The health checks as they were, by the Terraform variables that set them, what was planned with, and whether the
    plan is known to have been applied already."""

    root: str
    before: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False


class TerraformApply(Action[ApplyInputs, ApplySeen, Empty]):
    """Applies exactly the saved plan. Undone, the recorded health checks are planned and applied by the variables that
    the stack declares for them, and nothing but what was changed may come back."""

    part: ClassVar[Part | None] = Part.HEALTH_CHECK
    takes = ApplyInputs
    sees = ApplySeen
    gives = Empty

    def observe(self, inputs: ApplyInputs) -> ApplySeen:
        """Raises NotFoundError when a target group is missing."""
        return ApplySeen(root=inputs.root, before=recorded(self.stack, self.ports), variables=inputs.variables)

    def recall(self, seen: ApplySeen, first: ApplySeen) -> ApplySeen:
        """Whether the saved plan was applied only another plan can tell: a saved one is stale either way."""
        planned = save_plan(
            self.stack, self.ports, seen.root, seen.variables, briefly(self.ports.clock), purpose="recall"
        )
        return ApplySeen(root=seen.root, before=first.before, variables=seen.variables, applied=not planned.changes)

    def propose(self, inputs: ApplyInputs, seen: ApplySeen) -> Proposal[Empty]:
        """Nothing when the plan is empty, has been applied, or belongs to another sequence."""
        elsewhere = inputs.sequences and inputs.sequence not in inputs.sequences
        if not inputs.changes or seen.applied or elsewhere:
            return Nothing(outputs=Empty())
        return Change(summary=f"terraform apply {inputs.root}: {len(inputs.changes)} change(s)", details=inputs.changes)

    def apply(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> Empty:
        """Raises PermanentError (a stale plan), InDoubtError (Terraform died on the way)."""
        planned = PlannedChanges(file=Path(inputs.plan), sha256=inputs.sha256, changes=())
        apply_plan(self.stack, self.ports, inputs.root, planned, progress)
        return Empty()

    def compensate(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> None:
        """Plans the recorded health checks and applies that. Raises PermanentError when more would come back."""
        planned = save_plan(self.stack, self.ports, inputs.root, seen.before, progress, purpose="rollback")
        wrong = broken_by(inputs.root, planned, inputs.touched)
        if wrong:
            raise PermanentError(wrong, resolution="Bring the health checks back by hand.")
        if planned.changes:
            apply_plan(self.stack, self.ports, inputs.root, planned, progress)

    def follows_retreat(self, inputs: ApplyInputs) -> bool:
        """Where the earlier image passes the earlier check only, it has to be on its way back when the check goes back.

        In the other sequences one of the two images passes both checks, and what came last goes back first.
        """
        return inputs.sequence in ("", "grace-hold")

    def thing(self, inputs: ApplyInputs) -> str:
        """The health checks, which are recorded as a whole."""
        return "health checks"

    def restored(self, inputs: ApplyInputs, seen: ApplySeen) -> Gate[None]:
        """Open when every recorded health check is back."""
        wrong = not_back(self.stack, self.ports, seen.before)
        return Waiting(reason=wrong) if wrong else Open(outputs=None)
