"""terraform-init, terraform-plan, terraform-apply: infrastructure by saved plans only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from lgtm_deploy.core.changes import describe
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import PlannedChanges, Ports, Progress
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.step import Action, Change, Effect, Nothing, Part, Proposal


@dataclass(frozen=True, kw_only=True)
class RootInputs:
    """`root` is the root's name in the environment's `terraform`."""

    root: str


@dataclass(frozen=True, kw_only=True)
class Empty:
    """Nothing."""


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
        root = self.stack.root(inputs.root)
        directory = self.stack.directory
        configs = [directory / each for each in root.backend_config]
        self.ports.infrastructure.init(directory / root.root, configs, progress)
        return Empty()


@dataclass(frozen=True, kw_only=True)
class PlanOutputs:
    """The saved plan: its file, its SHA-256, and its changes as lines for a person."""

    plan: str
    sha256: str
    changes: tuple[str, ...]


class TerraformPlan(Action[RootInputs, Empty, PlanOutputs]):
    """Saves a plan. What is approved is this file, and nothing else is ever applied."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = RootInputs
    sees = Empty
    gives = PlanOutputs

    def observe(self, inputs: RootInputs) -> Empty:
        """Planning is the look."""
        return Empty()

    def propose(self, inputs: RootInputs, seen: Empty) -> Proposal[PlanOutputs]:
        """Always: only Terraform knows."""
        return Change(summary=f"terraform plan {inputs.root}")

    def apply(self, inputs: RootInputs, seen: Empty, progress: Progress) -> PlanOutputs:
        """Raises PermanentError with Terraform's first error."""
        planned = _save_plan(self.stack, self.ports, inputs.root, {}, progress)
        return PlanOutputs(
            plan=str(planned.file),
            sha256=planned.sha256,
            changes=tuple(line for change in planned.changes for line in describe(change)),
        )


@dataclass(frozen=True, kw_only=True)
class ApplyInputs:
    """The saved plan to apply; it is not applied when it has no `changes`."""

    root: str
    plan: str
    sha256: str
    changes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ApplySeen:
    """The health check paths as they were, by the Terraform variable that sets them, and whether the plan is known to
    have been applied already."""

    root: str
    paths: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False


class TerraformApply(Action[ApplyInputs, ApplySeen, Empty]):
    """Applies exactly the saved plan. Undone, the recorded health check paths are planned and applied by the variables
    that the stack declares for them."""

    part: ClassVar[Part | None] = Part.HEALTH_CHECK
    takes = ApplyInputs
    sees = ApplySeen
    gives = Empty

    def observe(self, inputs: ApplyInputs) -> ApplySeen:
        """Raises NotFoundError when a target group is missing."""
        return ApplySeen(root=inputs.root, paths={each.health.variable: self._path(each) for each in self._declared()})

    def recall(self, seen: ApplySeen, first: ApplySeen) -> ApplySeen:
        """Whether the saved plan was applied only another plan can tell: a saved one is stale either way."""
        planned = _save_plan(self.stack, self.ports, seen.root, {}, lambda _: None, purpose="recall")
        return ApplySeen(root=seen.root, paths=first.paths, applied=not planned.changes)

    def propose(self, inputs: ApplyInputs, seen: ApplySeen) -> Proposal[Empty]:
        """Nothing when the plan is empty, or has been applied."""
        if not inputs.changes or seen.applied:
            return Nothing(outputs=Empty())
        return Change(summary=f"terraform apply {inputs.root}: {len(inputs.changes)} change(s)", details=inputs.changes)

    def apply(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> Empty:
        """Raises PermanentError (a stale plan), InDoubtError (Terraform died on the way)."""
        root = self.stack.directory / self.stack.root(inputs.root).root
        planned = PlannedChanges(file=Path(inputs.plan), sha256=inputs.sha256, changes=())
        self.ports.infrastructure.apply(root, planned, progress)
        return Empty()

    def compensate(self, inputs: ApplyInputs, seen: ApplySeen, progress: Progress) -> None:
        """Plans and applies the recorded paths."""
        planned = _save_plan(self.stack, self.ports, inputs.root, seen.paths, progress, purpose="rollback")
        if planned.changes:
            root = self.stack.directory / self.stack.root(inputs.root).root
            self.ports.infrastructure.apply(root, planned, progress)

    def follows_retreat(self, inputs: ApplyInputs) -> bool:
        """The earlier image passes the earlier check only: it has to be on its way back when the check goes back."""
        return True

    def restored(self, inputs: ApplyInputs, seen: ApplySeen) -> Gate[None]:
        """Open when every recorded path is back."""
        for service in self._declared():
            now, before = self._path(service), seen.paths.get(service.health.variable)
            if before is not None and now != before:
                return Waiting(reason=f"{service.target_group} checks {now}, it was {before}")
        return Open(outputs=None)

    def _declared(self) -> list[Service]:
        return [each for each in self.stack.services.values() if each.health.variable and each.target_group]

    def _path(self, service: Service) -> str:
        return self.ports.balancer.target_group(service.target_group).health_check.path


def _save_plan(
    stack: Stack, ports: Ports, name: str, variables: Mapping[str, str], progress: Progress, *, purpose: str = "apply"
) -> PlannedChanges:
    root = stack.root(name)
    # What was approved is never written over.
    out = ports.workspace / f"{name}.{purpose}.tfplan"
    files = [stack.directory / each for each in root.var_files]
    return ports.infrastructure.plan(stack.directory / root.root, files, variables, out, progress)
