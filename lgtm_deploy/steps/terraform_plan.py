"""terraform-init, terraform-plan, terraform-replan: all that comes before a change of infrastructure is approved."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from lgtm_deploy.core.changes import describe
from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.ports import PlannedChanges, Progress
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.step import Action, Change, Effect, Nothing, Proposal
from lgtm_deploy.core.touched import Touched, touched
from lgtm_deploy.steps.terraform_roots import Empty, broken_by, out_of_date, readied, save_plan
from lgtm_deploy.steps.terraform_start import find_start


@dataclass(frozen=True, kw_only=True)
class RootInputs:
    """`root` is the root's name in the environment's `terraform`."""

    root: str


class TerraformInit(Action[RootInputs, Empty, Empty]):
    """Readies a root: providers and backend. It touches nothing outside, so it may run while images build."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = RootInputs
    sees = Empty
    gives = Empty

    def observe(self, inputs: RootInputs) -> Empty:
        """Whether a root is ready is for Terraform to say."""
        return Empty()

    def propose(self, inputs: RootInputs, seen: Empty) -> Proposal[Empty]:
        """Always: it is quick when there is nothing to do."""
        return Change(summary=f"terraform init {inputs.root}")

    def apply(self, inputs: RootInputs, seen: Empty, progress: Progress) -> Empty:
        """Raises PermanentError with Terraform's first error."""
        readied(self.stack, self.ports, inputs.root, progress)
        return Empty()


@dataclass(frozen=True, kw_only=True)
class PlanInputs:
    """The root to plan, and what the plan may change: without `allow` nothing. `variables` win over the root's own."""

    root: str
    allow: tuple[Allowance, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SavedPlan:
    """The saved plan of a root: its file, its SHA-256, its changes as lines for a person, and what exactly it touches.

    So much may be brought back after it was applied. `start` is the state that a rollback returns to.
    """

    root: str
    plan: str
    sha256: str
    changes: tuple[str, ...]
    touched: tuple[Touched, ...]
    start: StartState = field(default_factory=StartState)
    told: tuple[str, ...] = ()

    @property
    def planned(self) -> PlannedChanges:
        """The saved plan, as far as applying it goes."""
        return PlannedChanges(file=Path(self.plan), sha256=self.sha256, changes=())

    @property
    def missing(self) -> str:
        """Why it cannot be applied from this machine; empty when it can, or when there is nothing to apply."""
        return "its saved plan is not on this machine" if self.changes and not Path(self.plan).is_file() else ""

    def differs(self, before: "SavedPlan") -> str:
        """What it would change that the plan `before` would not, or the other way round; empty when it is the same."""
        if (self.changes, self.touched) == (before.changes, before.touched):
            return ""
        other = set(self.changes) ^ set(before.changes)
        return f"its plan changes something else than before: {'; '.join(sorted(other)) or 'what it touches was'}"


class TerraformPlan(Action[PlanInputs, Empty, SavedPlan]):
    """Saves a plan. What is approved is this file, and nothing else is ever applied. Where it changes something, the
    state that a rollback returns to is found before that."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = PlanInputs
    sees = Empty
    gives = SavedPlan

    def observe(self, inputs: PlanInputs) -> Empty:
        """Planning is the look."""
        return Empty()

    def propose(self, inputs: PlanInputs, seen: Empty) -> Proposal[SavedPlan]:
        """Always: only Terraform knows."""
        return Change(summary=f"terraform plan {inputs.root}")

    def apply(self, inputs: PlanInputs, seen: Empty, progress: Progress) -> SavedPlan:
        """Raises RefusedError with what the plan would change and may not, PermanentError with Terraform's first
        error."""
        planned = save_plan(self.stack, self.ports, inputs.root, inputs.variables, progress, purpose="apply")
        outputs = guarded(inputs, planned)
        if not outputs.changes:
            return outputs
        start = find_start(self.stack, self.ports, inputs.root, progress, touched=outputs.touched)
        return replace(outputs, start=start, told=(start.line(inputs.root),))

    def irreversible(self, inputs: PlanInputs, outputs: SavedPlan) -> str:
        """The plan changes something, and no start state was found."""
        return outputs.start.impossible(inputs.root)

    def missing(self, outputs: SavedPlan) -> str:
        """The saved plan, where it would be applied."""
        return outputs.missing

    def differs(self, before: SavedPlan, now: SavedPlan) -> str:
        """A plan is another file each time it is made."""
        return now.differs(before)

    def still_holds(self, inputs: PlanInputs, outputs: SavedPlan) -> str:
        """Not when the state has changed since; a plan that changes nothing is never applied."""
        return out_of_date(self.stack, self.ports, inputs.root, outputs.planned) if outputs.changes else ""


@dataclass(frozen=True, kw_only=True)
class ReplanInputs:
    """The saved plan so far, and the `variables` with which it is planned again; without any it stays as it is.

    `given` are the variables that it was planned with already.
    """

    planned: SavedPlan
    variables: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    allow: tuple[Allowance, ...] = ()

    @property
    def root(self) -> str:
        """The root's name in the environment's `terraform`."""
        return self.planned.root


class TerraformReplan(Action[ReplanInputs, Empty, SavedPlan]):
    """Saves another plan in place of one, when the handover asks for other values while it lasts."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = ReplanInputs
    sees = Empty
    gives = SavedPlan

    def observe(self, inputs: ReplanInputs) -> Empty:
        """Planning is the look."""
        return Empty()

    def propose(self, inputs: ReplanInputs, seen: Empty) -> Proposal[SavedPlan]:
        """Nothing without variables: the plan is passed through."""
        if inputs.variables:
            given = ", ".join(f"{name}={value}" for name, value in sorted(inputs.variables.items()))
            return Change(summary=f"terraform plan {inputs.root} with {given}")
        return Nothing(outputs=replace(inputs.planned, told=()))

    def apply(self, inputs: ReplanInputs, seen: Empty, progress: Progress) -> SavedPlan:
        """Raises RefusedError with what the plan would change and may not, PermanentError with Terraform's first
        error."""
        variables = {**inputs.given, **inputs.variables}
        planned = save_plan(self.stack, self.ports, inputs.root, variables, progress, purpose="window")
        return replace(guarded(inputs, planned), start=inputs.planned.start)

    def missing(self, outputs: SavedPlan) -> str:
        """The saved plan, where it would be applied."""
        return outputs.missing

    def differs(self, before: SavedPlan, now: SavedPlan) -> str:
        """A plan is another file each time it is made."""
        return now.differs(before)

    def still_holds(self, inputs: ReplanInputs, outputs: SavedPlan) -> str:
        """Not when the state has changed since. A plan that was passed through is for the step that made it."""
        if not inputs.variables or not outputs.changes:
            return ""
        return out_of_date(self.stack, self.ports, inputs.root, outputs.planned)


def guarded(inputs: PlanInputs | ReplanInputs, planned: PlannedChanges) -> SavedPlan:
    """The plan as outputs. Raises RefusedError when it would change what it may not."""
    wrong = broken_by(inputs.root, planned, inputs.allow)
    if wrong:
        raise RefusedError(wrong, resolution="Undo it in the configuration, or apply it by itself and look.")
    return SavedPlan(
        root=inputs.root,
        plan=str(planned.file),
        sha256=planned.sha256,
        changes=tuple(line for change in planned.changes for line in describe(change)),
        touched=touched(planned.document),
    )
