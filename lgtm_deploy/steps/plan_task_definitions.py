"""plan-task-definitions: what Terraform will change to release the services whose task definitions it manages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.guard import breaches
from lgtm_deploy.core.ports import PlannedChanges, Progress
from lgtm_deploy.core.preflight.variables import planned_wrong, uses_in
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Action, Change, Effect, Nothing, Proposal
from lgtm_deploy.core.terraform_release import Release, allowed, guardable, more_replaced, planned_texts, released
from lgtm_deploy.steps.preflight.survey import with_names
from lgtm_deploy.steps.terraform_roots import Empty, folder, out_of_date, save_plan, too_much
from lgtm_deploy.steps.terraform_start import find_start


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The services that the plan deploys, and those that depend on them."""

    services: tuple[str, ...]
    dependents: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SavedFile:
    """A saved plan: its file, and its SHA-256."""

    plan: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`releases` are the services that Terraform releases, by name. `plans` are the plans of their roots that change
    something: they are looked at only, and never applied."""

    releases: Mapping[str, Release] = field(default_factory=dict)
    plans: Mapping[str, SavedFile] = field(default_factory=dict)
    told: tuple[str, ...] = ()


class PlanTaskDefinitions(Action[Inputs, Empty, Outputs]):
    """Plans each root as a whole, so that nothing in it is left unapplied when its services are released. Nothing but
    their task definitions may change. Services that are released without Terraform are left out."""

    effect: ClassVar[Effect] = Effect.LOCAL
    takes = Inputs
    sees = Empty
    gives = Outputs

    def observe(self, inputs: Inputs) -> Empty:
        """Planning is the look."""
        return Empty()

    def propose(self, inputs: Inputs, seen: Empty) -> Proposal[Outputs]:
        """Nothing where Terraform releases none of the services."""
        roots = self._roots(inputs)
        if not roots:
            return Nothing(outputs=Outputs())
        return Change(summary=f"terraform plan {', '.join(roots)}")

    def apply(self, inputs: Inputs, seen: Empty, progress: Progress) -> Outputs:
        """Raises RefusedError: a root does not manage a service, or would change more than its task definition."""
        releases: dict[str, Release] = {}
        plans: dict[str, SavedFile] = {}
        told: list[str] = []
        for root, names in self._roots(inputs).items():
            planned = save_plan(self.stack, self.ports, root, {}, progress, purpose="definitions")
            found = self._released(root, names, planned)
            self._check_paths(root, inputs.services, found, planned)
            if any(each.changes for each in found.values()):
                start = find_start(self.stack, self.ports, root, progress)
                found = {name: replace(each, start=start) for name, each in found.items()}
                plans[root] = SavedFile(plan=str(planned.file), sha256=planned.sha256)
                told += [line for name, each in found.items() for line in (f"{name}:", *each.lines) if each.changes]
                told.append(start.line(root))
                told += [f"rollback impossible: {why}" for each in found.values() if (why := self._lost(each))]
            releases |= found
        return Outputs(releases=releases, plans=plans, told=tuple(told))

    def still_holds(self, inputs: Inputs, outputs: Outputs) -> str:
        """Not when the state of a root has changed since."""
        for root, saved in outputs.plans.items():
            if not Path(saved.plan).is_file():
                return f"the plan of '{root}' is not on this machine"
            planned = PlannedChanges(file=Path(saved.plan), sha256=saved.sha256, changes=())
            if why := out_of_date(self.stack, self.ports, root, planned):
                return why
        return ""

    def differs(self, before: Outputs, now: Outputs) -> str:
        """A plan is another file each time it is made."""
        return "" if now.releases == before.releases else "Terraform would release something else than before"

    def irreversible(self, inputs: Inputs, outputs: Outputs) -> str:
        """A root changes, and no start state was found, or ECS could not deploy again what runs."""
        changing = (each for each in outputs.releases.values() if each.changes)
        return next((why for each in changing if (why := each.start.impossible(each.root) or self._lost(each))), "")

    def _check_paths(
        self, root: str, services: Sequence[str], found: Mapping[str, Release], planned: PlannedChanges
    ) -> None:
        """Raises RefusedError: a planned task definition names a path that is not there after the change."""
        state = self.ports.infrastructure.attributes(folder(self.stack, root))
        texts = {name: planned_texts(each, state, planned.document) for name, each in found.items()}
        moving = [
            with_names(self.ports, each, self.ports.host.service(each.ecs_service))
            for each in map(self.stack.service, services)
        ]
        if wrong := planned_wrong(uses_in(self.stack, texts, moving), root):
            raise RefusedError(" ".join(wrong))

    def _lost(self, release: Release) -> str:
        """Why the revision that runs cannot be deployed again; empty when it can.

        The root's own revision comes back by the root's start state.
        """
        runs = self.ports.host.service(self.stack.service(release.name).ecs_service).task_definition
        if not release.changes or runs == release.arn or self.ports.host.is_registered(runs):
            return ""
        return (
            f"{release.name} could not be rolled back: it runs {runs.rpartition('/')[2]}, which is deregistered."
            f" Deploy {release.arn.rpartition('/')[2]}, the revision of Terraform root '{release.root}', first,"
            " or pass --no-rollback"
        )

    def _roots(self, inputs: Inputs) -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in (*inputs.services, *inputs.dependents):
            root = self.stack.service(name).task_definition
            if root:
                found.setdefault(root, []).append(name)
        return found

    def _repository(self, service: Service) -> str:
        return self.ports.registry.reference(service.repository, "").rpartition("@")[0]

    def _released(self, root: str, names: list[str], planned: PlannedChanges) -> dict[str, Release]:
        state = self.ports.infrastructure.attributes(folder(self.stack, root))
        cluster, document = self.stack.environment.cluster, planned.document
        found = {
            each.name: released(each, cluster, root, state, document, repository=self._repository(each))
            for each in map(self.stack.service, names)
        }
        if document:
            mine = list(found.values())
            lines = (*breaches(guardable(document), allowed(mine)), *more_replaced(document, mine))
            if wrong := too_much(root, lines):
                raise RefusedError(
                    wrong,
                    resolution="Name the service in the plan, or apply the rest by itself first.",
                )
        return found
