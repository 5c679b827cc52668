"""terraform-apply: exactly the saved plan, in the sequences that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.output import PROOF
from lgtm_deploy.core.plan import StrategyName
from lgtm_deploy.core.ports import HealthCheck, Progress
from lgtm_deploy.core.start_state import StartKind, StartState
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.steps.results import ANY_STRATEGY, ChosenStrategy, HealthyTasks
from lgtm_deploy.steps.terraform_back import Before, WayBack, checks_of
from lgtm_deploy.steps.terraform_plan import SavedPlan
from lgtm_deploy.steps.terraform_roots import (
    AppliedOutputs,
    apply_plan,
    briefly,
    quiet,
    recorded,
    revision_of,
    save_plan,
    without,
)


@dataclass(frozen=True, kw_only=True)
class ApplyInputs:
    """The saved plan to apply; it is not applied when it has no changes, nor when the health check moves in a
    `sequence` that is not among the `sequences` of this step (none named: in every one).

    `healthy` are the new tasks of all services whose health check it moves. It was planned with the variables that the
    plan file has `given`, and with the `variables` of the strategy.
    """

    planned: SavedPlan
    healthy: tuple[HealthyTasks, ...] = field(metadata=PROOF)
    given: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    sequence: ChosenStrategy = ANY_STRATEGY
    sequences: tuple[StrategyName | Literal["none"], ...] = ()

    @property
    def root(self) -> str:
        """The root's name in the environment's `terraform`."""
        return self.planned.root


@dataclass(frozen=True, kw_only=True)
class ApplySeen:
    """The health checks as they were, by the Terraform variables that set them and by target group, what was planned
    with, and whether the plan is known to have been applied already. `commit` is the revision that is to be applied,
    `dirty` with uncommitted changes; `start` is the state that a rollback returns to."""

    root: str
    before: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False
    checks: Mapping[str, HealthCheck] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False
    start: StartState = field(default_factory=StartState)


class TerraformApply(Action[ApplyInputs, ApplySeen, AppliedOutputs]):
    """Applies exactly the saved plan. Undone, what it touched comes back as it was, and nothing else may change: by the
    variables that the stack declares for it, or else by the files of its start state. Where neither leads back, the
    load balancer alone is brought back, and that is told as a failure."""

    part: ClassVar[Part | None] = Part.HEALTH_CHECK
    takes = ApplyInputs
    sees = ApplySeen
    gives = AppliedOutputs

    def observe(self, inputs: ApplyInputs) -> ApplySeen:
        """Raises NotFoundError when a target group is missing."""
        now = revision_of(self.stack, self.ports, inputs.root)
        return ApplySeen(
            root=inputs.root,
            before=recorded(self.stack, self.ports),
            variables={**inputs.given, **inputs.variables},
            checks=checks_of(self.ports, inputs.planned.touched),
            commit=now.commit,
            dirty=now.dirty,
            start=inputs.planned.start if inputs.planned.start.kind else self._last_applied(inputs.root),
        )

    def recall(self, seen: ApplySeen, first: ApplySeen) -> ApplySeen:
        """Whether the saved plan was applied only another plan can tell: a saved one is stale either way."""
        planned = save_plan(
            self.stack, self.ports, seen.root, seen.variables, briefly(self.ports.clock), purpose="recall"
        )
        return replace(first, variables=seen.variables, applied=not planned.changes)

    def propose(self, inputs: ApplyInputs, seen: ApplySeen) -> Proposal[AppliedOutputs]:
        """Nothing when the plan is empty, has been applied, or belongs to another sequence."""
        elsewhere = inputs.sequences and inputs.sequence not in inputs.sequences
        if not inputs.planned.changes or seen.applied or elsewhere:
            return Nothing(outputs=_applied(seen) if seen.applied else AppliedOutputs())
        return Change(
            summary=f"terraform apply {inputs.root}: {len(inputs.planned.changes)} change(s)",
            details=inputs.planned.changes,
        )

    def apply(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> AppliedOutputs:
        """Raises PermanentError (a stale plan), InDoubtError (Terraform died on the way)."""
        apply_plan(self.stack, self.ports, inputs.root, inputs.planned.planned, progress)
        return _applied(seen)

    def quiesce(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> None:
        """Waits for a Terraform that outlived its process. Raises what a plan raises."""
        quiet(self.stack, self.ports, inputs.root, progress)

    def compensate(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> None:
        """Takes Terraform's way back. Raises PermanentError with what has not come back."""
        self._way_back(inputs, seen).go(progress)

    def retreat(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> None:
        """The same, with what the variables of the handover gave it for that time: the way back is a handover too.
        Raises PermanentError with what has not come back."""
        self._first_half(inputs, seen).go(progress)

    def retreated(self, inputs: ApplyInputs, seen: ApplySeen) -> Gate[None]:
        """Open when all but that is as it was."""
        wrong = self._first_half(inputs, seen).differs()
        return Waiting(reason=wrong) if wrong else Open(outputs=None)

    def follows_retreat(self, inputs: ApplyInputs) -> bool:
        """Where the earlier image passes the earlier check only, it has to be on its way back when the check goes back.

        In the other sequences one of the two images passes both checks, and what came last goes back first.
        """
        return inputs.sequence in ("", "grace-hold")

    def thing(self, inputs: ApplyInputs) -> str:
        """The root, of which all that was touched is recorded."""
        return f"Terraform root {inputs.root}"

    def restored(self, inputs: ApplyInputs, seen: ApplySeen) -> Gate[None]:
        """Open when all that was touched is as it was: health checks by what the load balancer asks, the rest by what
        Terraform's state has."""
        wrong = self._way_back(inputs, seen).differs()
        return Waiting(reason=wrong) if wrong else Open(outputs=None)

    def _last_applied(self, root: str) -> StartState:
        last, why_not = self.ports.applied.last(root)
        kind: StartKind = "none" if why_not or not last.commit else "revision"
        return StartState(kind=kind, commit=last.commit, why_not=why_not)

    def _first_half(self, inputs: ApplyInputs, seen: ApplySeen) -> WayBack:
        touched = without(self.stack, inputs.planned.touched, inputs.variables)
        before = {**seen.before, **inputs.variables}
        return self._way_back(
            replace(inputs, planned=replace(inputs.planned, touched=touched)), replace(seen, before=before)
        )

    def _way_back(self, inputs: ApplyInputs, seen: ApplySeen) -> WayBack:
        before = Before(
            root=inputs.root,
            touched=inputs.planned.touched,
            variables=seen.before,
            checks=seen.checks,
            start=seen.start,
        )
        return WayBack(self.stack, self.ports, before)


def _applied(seen: ApplySeen) -> AppliedOutputs:
    return AppliedOutputs(commit=seen.commit, dirty=seen.dirty)
