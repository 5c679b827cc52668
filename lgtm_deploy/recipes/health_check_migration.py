"""The recipe `health-check-migration`: new images first or the health check first, whichever keeps targets healthy.

Where a health check moves, new tasks answer on the new path only, while the load balancer still asks on the old one.
The strategy says how a target stays healthy at every moment: docs/adr/012-the-handover.md. Dependents follow once the
health checks have moved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.guard import TARGET_GROUPS
from lgtm_deploy.core.order import EARLY
from lgtm_deploy.core.plan import RetryPolicy, StrategyName
from lgtm_deploy.core.recipe import Fault, Name, Recipe, twice_or_unknown
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.recipes.images import (
    build_images,
    deploy,
    plan_definitions,
    probe,
    push,
    smoke_test,
    wait_for_deployment,
)
from lgtm_deploy.recipes.terraform import OneRoot, prepare_root, save_plan, unknown_root
from lgtm_deploy.steps import (
    await_tasks,
    hold_grace_period,
    plan_handover,
    plan_task_definitions,
    preflight,
    probe_image,
    release_grace_period,
    remove_shadow,
    shadow_targets,
    verify,
)
from lgtm_deploy.steps.results import CompleteDeployment, Deployment, HealthyTasks, PushedImage
from lgtm_deploy.steps.terraform_apply import ApplyInputs, TerraformApply
from lgtm_deploy.steps.terraform_plan import ReplanInputs, SavedPlan, TerraformReplan
from lgtm_deploy.steps.terraform_settle import SettleInputs, TerraformSettle

# The migration alone raises it, for as long as it lasts: a committed change of it is refused.
_RAISED = "health_check.unhealthy_threshold"
# A removed rule takes a while to be gone everywhere.
_PATIENT = RetryPolicy(attempts=8)


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """The results of the steps that touch this machine only."""

    survey: preflight.Outputs
    data_sources: verify.Outputs
    stack: verify.Outputs | None
    definitions: plan_task_definitions.Outputs
    tests: Mapping[str, probe_image.Outputs]
    planned: SavedPlan
    chosen: plan_handover.Outputs
    raised: SavedPlan


class HealthCheckMigration(Recipe):
    """Releases services whose health check moves with their image, and the services that depend on them."""

    about: ClassVar[str] = "Move health check paths together with the images that serve them."
    dependents: Annotated[
        tuple[Name, ...],
        Field(
            description="Services that name a path that moves, such as Grafana. They are deployed after the health"
            " checks have moved; their own health checks stay.",
            examples=[["grafana"]],
        ),
    ] = ()
    terraform: OneRoot
    strategies: Annotated[
        tuple[StrategyName, ...],
        Field(
            min_length=1,
            description="The strategies that may be chosen. `check-first` and `matcher-widening` move the health check"
            " before the images.",
            examples=[["direct", "grace-hold"]],
        ),
    ] = ("direct", "grace-hold")
    verify: Annotated[
        Literal["data-sources", "reads", "reads-and-writes"],
        Field(
            description="What must work after the change as before it: Grafana's data sources, also all other checks of"
            " `lgtm-deploy verify`, or also records that are written and read back.",
            examples=["reads"],
        ),
    ] = "data-sources"

    @property
    def changed(self) -> tuple[str, ...]:
        """The services that change, and their dependents."""
        return (*self.services, *self.dependents)

    def faults(self, stack: Stack | None) -> Iterator[Fault]:
        """Return unknown names, and dependents whose own health check Terraform moves: no gate waits for them."""
        yield from super().faults(stack)
        yield from twice_or_unknown("dependents", self.dependents, stack, before=self.services)
        yield from unknown_root(self.terraform[0], stack)
        for position, name in enumerate(self.dependents):
            service = stack.services.get(name) if stack else None
            if service and service.health.variable:
                yield Fault(
                    path=("dependents", position),
                    message=f"'{name}' is a dependent, but Terraform moves its own health check"
                    f" (variable {service.health.variable}).",
                    resolution="Name it under 'services'.",
                )

    def build(self, graph: Graph, stack: Stack | None) -> Iterable[object]:
        """Add the steps: nothing up to the first push touches anything but this machine."""
        prepared = self._prepare(graph)
        pushed = self._push(graph, prepared)
        before = {name: self._extend_grace_period(graph, name, prepared, pushed[name]) for name in self.services}
        first = self._switch_first(graph, prepared, [*before.values(), *(pushed[name] for name in self.services)])
        deployed = {
            name: deploy(graph, name, pushed[name], prepared.definitions, after=[*first, before[name]])
            for name in self.services
        }
        gates, removed = self._wait_for_tasks(graph, prepared, deployed)
        switched = self._switch(graph, prepared, gates, removed)
        released = [
            deploy(graph, name, pushed[name], prepared.definitions, after=[switched]) for name in self.dependents
        ]
        complete = [
            wait_for_deployment(graph, name, deployed[name], Phase.HEALTH_CHECK, after=[switched])
            for name in self.services
        ]
        followed = [
            wait_for_deployment(graph, name, each, Phase.WAIT)
            for name, each in zip(self.dependents, released, strict=True)
        ]
        restored = self._restore(graph, prepared, complete, before)
        return self._verify(graph, prepared, restored, followed)

    def _prepare(self, graph: Graph) -> _Prepared:
        change = self.terraform[0]
        survey = graph.add(
            "preflight",
            preflight.Preflight,
            preflight.Inputs(services=self.services, dependents=self.dependents, roots=(change.root,)),
            title="look at what changes, at consumers of paths that move, and at the way to the tasks",
            phase=Phase.PREPARE,
            timeout=600,
        )
        ready = prepare_root(graph, change.root)
        data_sources = graph.add(
            "data-sources-before",
            verify.Verify,
            verify.Inputs(mode="baseline", checks="data-sources"),
            title="ask Grafana for each of its data sources, before the change",
            phase=Phase.PREPARE,
            after=[survey],
            timeout=120,
        )
        definitions = plan_definitions(graph, self.services, self.dependents, after=[survey])
        stack = None
        if self.verify != "data-sources":
            stack = graph.add(
                "verify-before",
                verify.Verify,
                verify.Inputs(mode="baseline"),
                title="ask the whole stack, before the change",
                phase=Phase.PREPARE,
            )
        built = build_images(graph, self.changed, after=[survey])
        kind = TARGET_GROUPS[0]
        planned = save_plan(graph, change, change.allowances(kind, without=_RAISED), ready)
        tests = {name: smoke_test(graph, name, built[name], definitions) for name in self.changed}
        chosen = graph.add(
            "choose-strategy",
            plan_handover.PlanHandover,
            plan_handover.Inputs(
                services=self.services,
                contracts={name: tests[name].contract for name in self.services},
                allow=self.strategies,
                touched=planned.touched,
            ),
            title="find the strategy with which a target is healthy at every moment",
            phase=Phase.PREPARE,
            after=[survey],
            timeout=60,
        )
        raised = graph.add(
            "terraform-replan",
            TerraformReplan,
            ReplanInputs(
                planned=planned, variables=chosen.variables, given=change.given(graph), allow=change.allowances(kind)
            ),
            title="save the plan again, with the values that the strategy needs",
            phase=Phase.PREPARE,
        )
        return _Prepared(
            survey=survey,
            data_sources=data_sources,
            stack=stack,
            definitions=definitions,
            tests=tests,
            planned=planned,
            chosen=chosen,
            raised=raised,
        )

    def _push(self, graph: Graph, prepared: _Prepared) -> Mapping[str, PushedImage]:
        """Push once every image has passed its smoke test and everything else is prepared."""
        before = [prepared.data_sources, *([] if prepared.stack is None else [prepared.stack])]
        after = [prepared.survey, *prepared.tests.values(), prepared.chosen, prepared.raised, *before]
        return {
            name: push(graph, name, prepared.tests[name].tested, prepared.definitions, after=after)
            for name in self.changed
        }

    def _extend_grace_period(
        self, graph: Graph, name: str, prepared: _Prepared, pushed: PushedImage
    ) -> hold_grace_period.Outputs:
        """Keep ECS from stopping new tasks, which fail the old health check until it moves."""
        return graph.add(
            f"extend-grace-period[{name}]",
            hold_grace_period.HoldGracePeriod,
            hold_grace_period.Inputs(service=name, windows=prepared.chosen.windows),
            title=f"extend {name}'s health check grace period",
            phase=Phase.DEPLOY,
            after=[pushed],
        )

    def _switch_first(self, graph: Graph, prepared: _Prepared, after: list[object]) -> list[object]:
        """Move the health check before the images, where that is allowed and chosen."""
        early = tuple(each for each in self.strategies if each in EARLY)
        if not early:
            return []
        return [
            graph.add(
                "switch-health-checks-first",
                TerraformApply,
                ApplyInputs(
                    planned=prepared.raised,
                    healthy=(),
                    given=self.terraform[0].given(graph),
                    variables=prepared.chosen.variables,
                    sequence=prepared.chosen.sequence,
                    sequences=early,
                ),
                title="switch the health checks to the new path, if that comes first",
                phase=Phase.HEALTH_CHECK,
                after=after,
            )
        ]

    def _wait_for_tasks(
        self, graph: Graph, prepared: _Prepared, deployed: Mapping[str, Deployment]
    ) -> tuple[list[HealthyTasks], list[object]]:
        """Ask new tasks on the new path: from here or, where they cannot be reached, by the load balancer."""
        shadows = {
            name: graph.add(
                f"shadow-target-group[{name}]",
                shadow_targets.ShadowTargets,
                shadow_targets.Inputs(service=name, task_probe=prepared.survey.task_probe),
                title=f"let the load balancer ask {name}'s new tasks on the new path, if this machine cannot",
                phase=Phase.WAIT,
                after=[each],
                retry=_PATIENT,
            )
            for name, each in deployed.items()
        }
        gates = {
            name: graph.add(
                f"wait-for-tasks[{name}]",
                await_tasks.AwaitTasks,
                await_tasks.Inputs(
                    deployed=each,
                    asks=shadows[name].asks,
                    shadow=shadows[name].shadow,
                    sequences=prepared.chosen.sequences,
                ),
                title=f"wait until {name}'s new tasks answer on the new path",
                phase=Phase.WAIT,
                timeout=600,
            )
            for name, each in deployed.items()
        }
        removed: list[object] = [
            graph.add(
                f"remove-shadow-target-group[{name}]",
                remove_shadow.RemoveShadow,
                remove_shadow.Inputs(service=name, shadow=shadows[name].shadow),
                title=f"remove {name}'s shadow target group",
                phase=Phase.WAIT,
                after=[gate],
                retry=_PATIENT,
            )
            for name, gate in gates.items()
        ]
        return list(gates.values()), removed

    def _switch(self, graph: Graph, prepared: _Prepared, gates: list[HealthyTasks], removed: list[object]) -> object:
        return graph.add(
            "switch-health-checks",
            TerraformApply,
            ApplyInputs(
                planned=prepared.raised,
                healthy=tuple(gates),
                given=self.terraform[0].given(graph),
                variables=prepared.chosen.variables,
                sequence=prepared.chosen.sequence,
                sequences=("none", "direct", "grace-hold"),
            ),
            title="switch the health checks to the new path",
            phase=Phase.HEALTH_CHECK,
            after=removed,
        )

    def _restore(
        self,
        graph: Graph,
        prepared: _Prepared,
        complete: list[CompleteDeployment],
        before: Mapping[str, hold_grace_period.Outputs],
    ) -> list[object]:
        """Undo what was changed for the migration only: thresholds, matchers and grace periods."""
        thresholds = graph.add(
            "restore-thresholds",
            TerraformSettle,
            SettleInputs(planned=prepared.raised, complete=tuple(complete), variables=prepared.chosen.variables),
            title="restore what was changed for the migration",
            phase=Phase.HEALTH_CHECK,
        )
        return [
            graph.add(
                f"restore-grace-period[{name}]",
                release_grace_period.ReleaseGracePeriod,
                release_grace_period.Inputs(service=name, seconds=each.before),
                title=f"restore {name}'s health check grace period",
                phase=Phase.HEALTH_CHECK,
                after=[thresholds],
            )
            for name, each in before.items()
        ]

    def _verify(
        self, graph: Graph, prepared: _Prepared, restored: list[object], followed: list[CompleteDeployment]
    ) -> Iterable[object]:
        answers: list[object] = [
            probe(graph, name, after=[each]) for name, each in zip(self.services, restored, strict=True)
        ]
        # Only where Grafana's login is known. A data source that worked before must work now.
        last: list[object] = [
            graph.add(
                "data-sources",
                verify.Verify,
                verify.Inputs(checks="data-sources", baseline=prepared.data_sources.verdicts),
                title="ask Grafana for each of its data sources, after the change",
                phase=Phase.VERIFY,
                after=[*answers, *followed],
                timeout=120,
            )
        ]
        if prepared.stack is not None:
            checked = graph.add(
                "verify",
                verify.Verify,
                verify.Inputs(
                    services=self.services,
                    baseline=prepared.stack.verdicts,
                    write=self.verify == "reads-and-writes",
                ),
                title="ask the whole stack, after the change",
                phase=Phase.VERIFY,
                after=[*answers, *followed],
            )
            last.append(checked)
        return last
