"""The documented change, from its first look to its last probe, in a cloud in memory."""

from pathlib import Path

import pytest

from lgtm_deploy.config import plan_file
from lgtm_deploy.core.errors import DeployError, InDoubtError, PermanentError, TransientError
from lgtm_deploy.core.event import StepStarted, StepSucceeded, StepUnchanged
from lgtm_deploy.fakes import Contract, Source, fake_ports
from lgtm_deploy.fakes.script import When
from lgtm_deploy.recipes.registry import BUNDLED
from tests.steps.simulation import BOTH, Simulation

LOST = InDoubtError("The answer was lost.")
THROTTLED = TransientError("Rate exceeded.")
BROKEN = PermanentError("It broke.")
MUTATIONS = ("registry.push", "host.update", "host.revise", "infrastructure.apply")


@pytest.fixture
def world(tmp_path: Path) -> Simulation:
    return Simulation(tmp_path)


@pytest.fixture
def untried(tmp_path: Path) -> Simulation:
    """Where the stack file says that images are not tried out."""
    return Simulation(tmp_path, skip="this machine has no engine")


def everything(world: Simulation) -> tuple[dict[str, str], dict[str, str], dict[str, int]]:
    return world.paths(), world.tags(), world.grace()


def made_of(world: Simulation, name: str, source: Source) -> None:
    world.cloud.sources[(world.stack.directory / world.service(name).context).resolve()] = source


def test_both_services_end_on_the_new_path_by_digest_and_unheld(world: Simulation) -> None:
    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert world.paths() == {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}
    assert all("@sha256:" in reference for reference in world.tags().values())
    assert world.grace() == dict.fromkeys(BOTH, 0)


def test_tempo_rolls_directly_beside_a_pyroscope_that_is_held_in_one_run(tmp_path: Path) -> None:
    world = Simulation(tmp_path, whole=True)

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    handover = run.steps["choose-strategy"].outputs
    assert handover["sequences"] == {"tempo": "direct", "pyroscope": "grace-hold"}
    assert world.paths() == {"tempo": "/ready", "pyroscope": "/pyroscope/ready"}
    assert all("@sha256:" in reference for reference in world.tags().values())
    assert world.grace() == {"tempo": 0, "pyroscope": 0}
    held = {name: run.steps[f"extend-grace-period[{name}]"].status for name in ("tempo", "pyroscope")}
    assert held == {"tempo": "unchanged", "pyroscope": "succeeded"}
    assert world.cloud.called("infrastructure.apply") == 1
    [changed] = run.steps["switch-health-checks"].inputs["planned"]["changes"]
    assert "lgtm-prod-pyroscope-tg" in changed


def test_images_come_before_the_load_balancer(world: Simulation) -> None:
    world.apply()

    told = [(type(event), event.step) for event in world.events]
    flip = told.index((StepStarted, "switch-health-checks"))
    for name in BOTH:
        assert told.index((StepSucceeded, f"extend-grace-period[{name}]")) < told.index(
            (StepStarted, f"deploy[{name}]")
        )
        assert told.index((StepSucceeded, f"wait-for-tasks[{name}]")) < flip
        assert told.index((StepSucceeded, f"wait-for-deployment[{name}]")) > flip


def test_grafana_follows_once_the_load_balancer_asks_on_the_new_path(world: Simulation) -> None:
    run = world.apply()

    told = [(type(event), event.step) for event in world.events]
    assert told.index((StepStarted, "deploy[grafana]")) > told.index((StepSucceeded, "switch-health-checks"))
    assert told.index((StepSucceeded, "push[grafana]")) < told.index((StepStarted, "deploy[grafana]"))
    [image] = world.images("grafana").values()
    assert image.endswith(f"@{world.running('grafana').deployments[-1].digests['grafana']}")
    assert run.steps["wait-for-deployment[grafana]"].status == "succeeded"


def test_a_grafana_that_crashes_takes_everything_back(untried: Simulation) -> None:
    world = untried
    before, image = everything(world), world.images("grafana")
    made_of(world, "grafana", Source(contract=Contract(exit_code=1, log=("data source provisioning failed",))))

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert "data source provisioning failed" in run.reason
    assert everything(world) == before
    assert world.images("grafana") == image


def test_a_plan_that_leaves_grafana_behind_is_refused(tmp_path: Path) -> None:
    world = Simulation(tmp_path, whole=True)
    text = plan_file.find("prefix-change", tmp_path).read_text(encoding="utf-8")
    alone = tmp_path / "alone.yaml"
    alone.write_text(text.replace("dependents: [grafana]", "dependents: []"), encoding="utf-8")
    world.plan = plan_file.load(alone, BUNDLED, world.stack)

    run = world.apply()

    assert run.verdict == "refused"
    assert "grafana names tempo's and pyroscope's path and must change with it" in run.reason
    assert not any(world.cloud.called(call) for call in MUTATIONS)


def test_a_second_run_is_unchanged_and_makes_nothing(world: Simulation) -> None:
    world.apply()
    before = {call: world.cloud.called(call) for call in (*MUTATIONS, "builder.build")}
    assert all(before.values())

    ahead = world.look_ahead()
    run = world.apply()

    assert run.verdict == "unchanged"
    assert not ahead.changes
    assert {call: world.cloud.called(call) for call in before} == before
    assert StepUnchanged in {type(event) for event in world.events if event.step == "deploy[portal]"}


def test_looking_ahead_changes_nothing_outside(world: Simulation) -> None:
    before = everything(world)

    ahead = world.look_ahead()

    assert [
        line.step for line in ahead.lines if line.step.startswith(("push[portal]", "push[pyroscope]", "switch"))
    ] == [
        "push[portal]",
        "push[pyroscope]",
        "switch-health-checks",
    ]
    assert not any(world.cloud.called(call) for call in MUTATIONS)
    assert everything(world) == before


# Apart from each other: who looks sees two ended tasks before a third has the breaker roll the deployment back.
CRASHING = Contract(exit_code=2, start_seconds=10.0, log=("starting", "field prefix not found"))


def test_an_image_that_crashes_goes_back_with_its_exit_code_and_last_words(untried: Simulation) -> None:
    before = everything(untried)
    made_of(untried, "portal", Source(contract=CRASHING))

    run = untried.apply()

    assert run.verdict == "rolled-back"
    assert run.reason == (
        "wait-for-tasks[portal]: portal: container portal exited with code 2: last log lines: starting | field prefix"
        " not found; it ended 2 times"
    )
    assert everything(untried) == before
    assert run.steps["switch-health-checks"].status == "skipped"


def test_an_image_that_does_not_answer_on_the_new_path_never_reaches_the_flip(untried: Simulation) -> None:
    before = everything(untried)
    made_of(untried, "portal", Source(contract=Contract(answers={"/other": "x"})))

    run = untried.apply()

    assert run.verdict == "rolled-back"
    assert "/portal/ready answers 404" in run.reason
    assert untried.cloud.called("infrastructure.apply") == 0
    assert everything(untried) == before


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        (
            Contract(exit_code=2, log=("starting", "field prefix not found")),
            "portal's new image: exits with code 2: last log lines: starting | field prefix not found.",
        ),
        (
            Contract(answers={"/other": "x"}),
            "is not ready after 10 s: /ready answers 404 (404 page not found), /portal/ready answers 404",
        ),
    ],
)
def test_an_image_that_cannot_work_is_refused_before_anything_is_changed(
    world: Simulation, contract: Contract, reason: str
) -> None:
    before = everything(world)
    made_of(world, "portal", Source(contract=contract))

    run = world.apply()

    assert run.verdict == "refused"
    assert reason in run.reason
    assert not any(world.cloud.called(call) for call in MUTATIONS)
    assert everything(world) == before


def test_a_change_that_users_do_not_see_goes_back(world: Simulation) -> None:
    before = everything(world)
    del world.cloud.rules["/portal"]

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert "/portal/echo answers 404, not 200" in run.reason
    assert everything(world) == before


def test_without_rollback_what_is_left_is_listed(world: Simulation) -> None:
    world.cloud.script.fail_next("infrastructure.apply", BROKEN)

    run = world.apply(roll_back=False)

    assert run.verdict == "halted"
    assert "switch-health-checks: It broke." in run.reason
    assert "deploy[portal]" in run.reason
    assert world.paths() == dict.fromkeys(BOTH, "/ready")


def no_repository(world: Simulation) -> None:
    del world.cloud.repositories["lgtm-portal"]


def no_way_in(world: Simulation) -> None:
    world.cloud.reachable = False


def no_build(world: Simulation) -> None:
    made_of(world, "portal", Source(build_error="RUN make: exit code 1"))


def no_root(world: Simulation) -> None:
    for root in world.cloud.roots.values():
        root.error = "Error: Invalid reference"


def no_service(world: Simulation) -> None:
    del world.cloud.services[world.service("portal").ecs_service]


def no_target_group(world: Simulation) -> None:
    del world.cloud.groups[world.service("portal").target_group]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (no_repository, "lgtm-portal"),
        (no_way_in, "cannot be reached from here"),
        (no_build, "RUN make: exit code 1"),
        (no_root, "Error: Invalid reference"),
        (no_service, "lgtm-prod-portal"),
        (no_target_group, "lgtm-prod-portal-tg"),
    ],
)
def test_what_is_missing_refuses_the_run_before_anything_is_changed(
    world: Simulation, broken: object, reason: str
) -> None:
    assert callable(broken)
    broken(world)

    run = world.apply()

    assert run.verdict == "refused"
    assert reason in run.reason
    assert not any(world.cloud.called(call) for call in MUTATIONS)


@pytest.mark.parametrize(
    ("call", "error", "when"),
    [
        ("host.update", THROTTLED, "before"),
        ("host.update", LOST, "before"),
        ("host.update", LOST, "after"),
        ("host.revise", LOST, "before"),
        ("host.revise", LOST, "after"),
        ("registry.push", LOST, "after"),
        ("infrastructure.apply", LOST, "before"),
        ("infrastructure.apply", LOST, "after"),
    ],
)
def test_a_lost_answer_or_a_busy_service_does_not_stop_the_change(
    world: Simulation, call: str, error: DeployError, when: When
) -> None:
    world.cloud.script.fail_next(call, error, when=when)

    run = world.apply()

    assert run.verdict == "deployed", run.reason
    assert world.grace() == dict.fromkeys(BOTH, 0)


@pytest.mark.parametrize("call", MUTATIONS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_whichever_change_breaks_the_start_state_comes_back(world: Simulation, call: str, when: When) -> None:
    before = everything(world)
    world.cloud.script.fail_next(call, BROKEN, when=when)

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert "It broke." in run.reason
    assert everything(world) == before


def test_somebody_elses_deployment_is_told_and_left_alone(world: Simulation) -> None:
    host = fake_ports(world.stack, world.cloud, Path()).host
    service = world.service("portal").ecs_service
    theirs: list[str] = []

    def deploy_too() -> None:
        if world.cloud.called("host.update") >= len(BOTH) * 2 and not theirs:
            theirs.append("")
            theirs.append(host.update(service, force=True))

    world.clock.meanwhile = deploy_too

    run = world.apply()

    assert run.verdict == "superseded"
    assert "portal: the deployment was stopped" in run.reason
    assert host.service(service).deployment == theirs[-1]


def test_a_pinned_tag_is_deployed_again_by_force_and_its_digest_is_checked(tmp_path: Path) -> None:
    world = Simulation(tmp_path, pinned_tag="stable")

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert all(reference.endswith(":stable") for reference in world.tags().values())
    assert world.apply().verdict == "unchanged"


def test_a_pinned_tag_that_was_rolled_back_to_its_digest_is_deployed_again(tmp_path: Path) -> None:
    world = Simulation(tmp_path, pinned_tag="stable")
    world.cloud.script.fail_next("infrastructure.apply", PermanentError("no"))
    assert world.apply().verdict == "rolled-back"
    assert all("@sha256:" in reference for reference in world.tags().values())

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert all(reference.endswith(":stable") for reference in world.tags().values())
    assert world.apply().verdict == "unchanged"
