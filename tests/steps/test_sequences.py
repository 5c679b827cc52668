"""The documented change in each sequence that a health check can move in, with an eye on its targets all the while."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.event import StepStarted, StepSucceeded
from lgtm_deploy.core.ports import HealthCheck
from lgtm_deploy.fakes import Contract, Source
from tests.steps.simulation import BOTH, Simulation

MUTATIONS = ("registry.push", "host.update", "host.revise", "infrastructure.apply")


class Watch:
    """Looks at the targets whenever time passes."""

    def __init__(self, world: Simulation) -> None:
        self._world = world
        self.dark: list[tuple[str, float]] = []
        self.checks: dict[str, list[HealthCheck]] = {name: [] for name in BOTH}
        self.failed = 0
        world.clock.meanwhile = self.look
        self.look()

    def look(self) -> None:
        self._world.cloud.catch_up()
        for name in BOTH:
            service = self._world.running(name)
            if not service.healthy:
                self.dark.append((name, self._world.clock.monotonic()))
            check = self._world.cloud.groups[self._world.service(name).target_group].health_check
            if [check] != self.checks[name][-1:]:
                self.checks[name].append(check)
            self.failed += sum("failed ELB" in task.reason for task in service.tasks)

    def moves(self, name: str) -> list[tuple[str, str, int]]:
        """Path, matcher and unhealthy threshold, each time that one of them changed."""
        self.look()
        return [(check.path, check.matcher, check.unhealthy_threshold) for check in self.checks[name]]


def world_of(tmp_path: Path, plan: str) -> tuple[Simulation, Watch]:
    world = Simulation(tmp_path, plan=plan)
    return world, Watch(world)


def today(world: Simulation, change: Callable[[Contract], Contract]) -> None:
    """Changes how the image behaves that runs now."""
    for name in BOTH:
        deployment = world.running(name).deployments[-1]
        assert deployment.contract is not None
        contract = change(deployment.contract)
        deployment.contract = contract
        for digest in deployment.digests.values():
            world.cloud.pushed[digest] = contract


def tomorrow(world: Simulation, change: Callable[[Contract], Contract]) -> None:
    """Changes how the image behaves that is built."""
    for name in BOTH:
        place = (world.stack.directory / world.service(name).context).resolve()
        world.cloud.sources[place] = Source(contract=change(world.cloud.sources[place].contract))


def answers_too(*paths: str) -> Callable[[Contract], Contract]:
    return lambda contract: replace(contract, answers={**contract.answers, **dict.fromkeys(paths, "ready")})


def sequence(world: Simulation) -> str:
    return str(world.last.steps["choose-strategy"].outputs["sequence"])


def order(world: Simulation, *steps: str) -> list[str]:
    """Those steps in the order in which they began to change something."""
    began = [event.step for event in world.events if isinstance(event, StepStarted)]
    done = {event.step for event in world.events if isinstance(event, StepSucceeded)}
    return [step for step in began if step in steps and step in done]


def test_grace_hold_moves_the_check_while_the_deployments_are_under_way(tmp_path: Path) -> None:
    world, watch = world_of(tmp_path, "prefix-change")

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert sequence(world) == "grace-hold"
    assert (watch.dark, watch.failed) == ([], 0)
    assert watch.moves("portal") == [("/ready", "200", 4), ("/portal/ready", "200", 4)]


def test_thresholds_without_a_margin_are_raised_with_the_flip_and_brought_back_after_it(tmp_path: Path) -> None:
    world, watch = world_of(tmp_path, "prefix-change")
    thresholds(world, healthy=3, unhealthy=2)
    watch.checks["portal"].clear()

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert (watch.dark, watch.failed) == ([], 0)
    assert watch.moves("portal") == [("/ready", "200", 2), ("/portal/ready", "200", 5), ("/portal/ready", "200", 2)]
    assert world.grace() == dict.fromkeys(BOTH, 0)


def thresholds(world: Simulation, *, healthy: int, unhealthy: int) -> None:
    """As they are, and as Terraform has them."""
    for name in BOTH:
        group = world.cloud.groups[world.service(name).target_group]
        group.health_check = replace(group.health_check, healthy_threshold=healthy, unhealthy_threshold=unhealthy)
        for root in world.cloud.roots.values():
            if group.name in root.committed:
                root.committed[group.name] = group.health_check


@pytest.mark.parametrize("plan", ["prefix-change", "prefix-change-any-order"])
def test_direct_waits_for_the_deployments_before_the_check_moves(tmp_path: Path, plan: str) -> None:
    world, watch = world_of(tmp_path, plan)
    tomorrow(world, answers_too("/ready"))

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert sequence(world) == "direct"
    assert (watch.dark, watch.failed) == ([], 0)
    # No hold, and the flip comes last.
    assert order(
        world, "extend-grace-period[portal]", "deploy[portal]", "switch-health-checks-first", "switch-health-checks"
    ) == ["deploy[portal]", "switch-health-checks"]
    finished = {name: world.running(name).deployments[-1].finished for name in BOTH}
    flipped = next(
        event.at for event in world.events if isinstance(event, StepStarted) and event.step == "switch-health-checks"
    )
    assert all(each is not None and world.clock.at(each) <= flipped for each in finished.values())


def test_flip_first_moves_the_check_before_the_images(tmp_path: Path) -> None:
    world, watch = world_of(tmp_path, "prefix-change-any-order")
    today(world, answers_too("/portal/ready", "/pyroscope/ready"))

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert sequence(world) == "check-first"
    assert (watch.dark, watch.failed) == ([], 0)
    assert order(
        world, "extend-grace-period[portal]", "switch-health-checks-first", "deploy[portal]", "switch-health-checks"
    ) == ["switch-health-checks-first", "deploy[portal]"]
    assert watch.moves("portal") == [("/ready", "200", 4), ("/portal/ready", "200", 4)]


def test_expand_contract_widens_the_matcher_on_the_new_path_until_the_old_images_are_gone(tmp_path: Path) -> None:
    world, watch = world_of(tmp_path, "prefix-change-any-order")

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert sequence(world) == "matcher-widening"
    assert (watch.dark, watch.failed) == ([], 0)
    assert order(
        world,
        "extend-grace-period[portal]",
        "switch-health-checks-first",
        "deploy[portal]",
        "switch-health-checks",
        "restore-thresholds",
    ) == [
        "switch-health-checks-first",
        "deploy[portal]",
        "restore-thresholds",
    ]
    assert watch.moves("portal") == [
        ("/ready", "200", 4),
        ("/portal/ready", "200,404", 4),
        ("/portal/ready", "200", 4),
    ]


def test_a_plan_that_only_permits_images_first_holds_where_another_would_flip(tmp_path: Path) -> None:
    world, watch = world_of(tmp_path, "prefix-change")
    today(world, answers_too("/portal/ready", "/pyroscope/ready"))

    assert world.apply().verdict == "deployed"
    assert sequence(world) == "grace-hold"
    assert (watch.dark, watch.failed) == ([], 0)


def test_an_image_that_gets_ready_slowly_is_held_in_an_ordinary_deployment_too(tmp_path: Path) -> None:
    world, watch = world_of(tmp_path, "prefix-change")
    tomorrow(world, lambda contract: replace(answers_too("/ready")(contract), ready_seconds=40.0))

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert sequence(world) == "direct"
    assert order(world, "extend-grace-period[portal]", "deploy[portal]", "switch-health-checks") == [
        "extend-grace-period[portal]",
        "deploy[portal]",
        "switch-health-checks",
    ]
    assert (watch.dark, watch.failed) == ([], 0)
    assert world.grace() == dict.fromkeys(BOTH, 0)


def test_what_no_sequence_can_carry_is_refused_before_anything_changes(tmp_path: Path) -> None:
    world, _ = world_of(tmp_path, "prefix-change")
    for name in BOTH:
        world.running(name).maximum_percent = 100

    run = world.apply()

    assert run.verdict == "refused"
    assert "portal: ECS may run 1 task(s) at 100-100 %" in run.reason
    assert not any(world.cloud.called(call) for call in MUTATIONS)


def test_the_preview_tells_the_handover(tmp_path: Path) -> None:
    world, _ = world_of(tmp_path, "prefix-change")

    ahead = world.look_ahead()

    told = {finding.step: finding.lines for finding in ahead.findings}["choose-strategy"]
    assert "portal sequence: grace-hold, because neither image passes on the other's path" in told
    [hold] = [line.change for line in ahead.lines if line.step == "extend-grace-period[portal]"]
    assert hold.startswith("hold portal's grace period: 0 s -> ")


def test_the_two_plans_differ_only_in_what_they_permit_and_in_the_early_switch(tmp_path: Path) -> None:
    one, other = (Simulation(tmp_path, plan=name) for name in ("prefix-change", "prefix-change-any-order"))
    first, early = one.graph().nodes, other.graph().nodes["switch-health-checks-first"]

    assert set(other.graph().nodes) - set(first) == {early.id}
    assert early.inputs.sequences == ("check-first", "matcher-widening")
    assert repr(early.inputs.planned) == repr(first["switch-health-checks"].inputs.planned)
    assert early.id in other.graph().nodes["deploy[portal]"].needs
    assert one.plan.changed == other.plan.changed
