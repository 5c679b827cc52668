"""terraform-settle: after the handover, what it had changed for a while is as committed again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.output import PROOF
from lgtm_deploy.core.ports import HealthCheck, Progress
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.steps.results import CompleteDeployment
from lgtm_deploy.steps.terraform_back import Before, WayBack, as_checked, checks_of
from lgtm_deploy.steps.terraform_plan import SavedPlan
from lgtm_deploy.steps.terraform_roots import (
    AppliedOutputs,
    apply_plan,
    briefly,
    broken_by,
    narrowed,
    quiet,
    recorded,
    revision_of,
    save_plan,
)


@dataclass(frozen=True, kw_only=True)
class SettleInputs:
    """`planned` is the plan that was applied with the `variables` of the handover, `complete` are the deployments that
    needed them."""

    planned: SavedPlan
    complete: tuple[CompleteDeployment, ...] = field(metadata=PROOF)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """The root's name in the environment's `terraform`."""
        return self.planned.root


@dataclass(frozen=True, kw_only=True)
class SettleSeen:
    """The health checks as they were, by the Terraform variables that set them and by target group, and whether they
    are known to be as committed already. `commit` is the revision that is to be applied."""

    root: str
    before: Mapping[str, str] = field(default_factory=dict)
    settled: bool = False
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False


class TerraformSettle(Action[SettleInputs, SettleSeen, AppliedOutputs]):
    """Plans the root as it is committed and applies that: thresholds that were raised come back, and a matcher that was
    widened is narrow again. Of all that was changed, only the attributes that the variables set may change here."""

    part: ClassVar[Part | None] = Part.HEALTH_CHECK
    takes = SettleInputs
    sees = SettleSeen
    gives = AppliedOutputs

    def observe(self, inputs: SettleInputs) -> SettleSeen:
        """Raises NotFoundError when a target group is missing."""
        now = revision_of(self.stack, self.ports, inputs.root)
        return SettleSeen(
            root=inputs.root,
            before=recorded(self.stack, self.ports),
            checks=checks_of(self.ports, inputs.planned.touched),
            commit=now.commit,
            dirty=now.dirty,
        )

    def recall(self, seen: SettleSeen, first: SettleSeen) -> SettleSeen:
        """Whether it was applied only another plan can tell."""
        planned = save_plan(self.stack, self.ports, seen.root, {}, briefly(self.ports.clock), purpose="recall")
        return replace(first, settled=not planned.changes)

    def propose(self, inputs: SettleInputs, seen: SettleSeen) -> Proposal[AppliedOutputs]:
        """Nothing when the handover changed nothing for a while, or it is back."""
        if not inputs.variables or seen.settled:
            return Nothing(outputs=_applied(seen) if seen.settled else AppliedOutputs())
        names = tuple(sorted(inputs.variables))
        return Change(summary=f"terraform apply {inputs.root} without {', '.join(names)}")

    def apply(self, inputs: SettleInputs, seen: SettleSeen, progress: Progress) -> AppliedOutputs:
        """Raises PermanentError when more would change than the variables set, InDoubtError when Terraform died on the
        way."""
        planned = save_plan(self.stack, self.ports, inputs.root, {}, progress, purpose="settle")
        wrong = broken_by(inputs.root, planned, narrowed(self.stack, inputs.planned.touched, inputs.variables))
        if wrong:
            raise PermanentError(wrong, resolution="Bring the health checks back by hand.")
        if planned.changes:
            apply_plan(self.stack, self.ports, inputs.root, planned, progress)
        return _applied(seen)

    def quiesce(self, inputs: SettleInputs, seen: SettleSeen, progress: Progress) -> None:
        """Waits for a Terraform that outlived its process. Raises what a plan raises."""
        quiet(self.stack, self.ports, inputs.root, progress)

    def compensate(self, inputs: SettleInputs, seen: SettleSeen, progress: Progress) -> None:
        """Sets anew what the handover had set, by its variables. Raises PermanentError with what has not come back."""
        self._way_back(inputs, seen).go(progress)

    def thing(self, inputs: SettleInputs) -> str:
        """The root, of which all that was touched is recorded."""
        return f"Terraform root {inputs.root}"

    def restored(self, inputs: SettleInputs, seen: SettleSeen) -> Gate[None]:
        """Open when every recorded health check is back."""
        wrong = self._way_back(inputs, seen).differs()
        return Waiting(reason=wrong) if wrong else Open(outputs=None)

    def _way_back(self, inputs: SettleInputs, seen: SettleSeen) -> WayBack:
        set_here = narrowed(self.stack, inputs.planned.touched, inputs.variables)
        touched = as_checked(tuple(each for each in set_here if each.attributes), seen.checks)
        start = StartState(kind="none", why_not="what was set for the handover is in no revision")
        before = Before(root=inputs.root, touched=touched, variables=seen.before, checks=seen.checks, start=start)
        return WayBack(self.stack, self.ports, before)


def _applied(seen: SettleSeen) -> AppliedOutputs:
    return AppliedOutputs(commit=seen.commit, dirty=seen.dirty)
