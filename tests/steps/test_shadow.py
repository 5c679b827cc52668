"""`prefix-change` where nobody can reach a task but the load balancer, in a cloud in memory."""

from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import DeployError, InDoubtError, PermanentError, TransientError
from lgtm_deploy.core.ports import ShadowRequest, Target
from lgtm_deploy.core.shadow import answer_of, shadow_check, shadow_name
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.fakes import Contract, FakeShadowTargets, Source
from lgtm_deploy.fakes.script import When
from lgtm_deploy.fakes.targets import FIVE_SECONDS
from tests.steps.simulation import BOTH, Simulation, two_moving

LOST = InDoubtError("The answer was lost.")
BUSY = TransientError("The rule is still there.")
BROKEN = PermanentError("It broke.")


class Outside(Simulation):
    """A simulation whose environment says `task_probe: shadow`, and where images come untried to their tasks."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace, skip="tasks are to fail")
        self.stack = replace(self.stack, environment=replace(self.stack.environment, task_probe="shadow"))


@pytest.fixture
def world(tmp_path: Path) -> Outside:
    return Outside(tmp_path)


def left(world: Simulation) -> list[str]:
    """Shadow target groups and rules that are there."""
    rules = [path for rule in world.cloud.listener_rules for path in rule.paths]
    return [*world.cloud.shadows, *(name for name in world.cloud.groups if "shadow" in name), *rules]


def made_of(world: Simulation, name: str, contract: Contract) -> None:
    world.cloud.sources[(world.stack.directory / world.service(name).context).resolve()] = Source(contract=contract)


def test_the_load_balancer_asks_and_no_task_is_asked_directly(world: Outside) -> None:
    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert world.paths() == {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}
    assert world.cloud.called("shadow.ask") > 0
    assert world.cloud.called("task_probe.ask") == 0
    assert left(world) == []


def test_it_is_gone_before_the_health_check_moves(world: Outside) -> None:
    world.apply()

    calls = [call.name for call in world.cloud.calls]
    assert calls.index("shadow.create") < calls.index("shadow.remove")
    created = max(index for index, name in enumerate(calls) if name == "shadow.create")
    removed = max(index for index, name in enumerate(calls) if name == "shadow.remove")
    assert created < removed < calls.index("infrastructure.apply")


def test_without_need_there_is_none(tmp_path: Path) -> None:
    world = Simulation(tmp_path)

    assert world.apply().verdict == "deployed"
    assert world.cloud.called("shadow.create") == 0
    assert world.cloud.called("task_probe.ask") > 0


def test_a_second_run_is_unchanged_and_the_target_group_itself_tells(world: Outside) -> None:
    world.apply()
    created = world.cloud.called("shadow.create")

    ahead = world.look_ahead()
    run = world.apply()

    assert not ahead.changes
    assert run.verdict == "unchanged"
    assert world.cloud.called("shadow.create") == created
    assert world.cloud.called("task_probe.ask") == 0


def test_a_task_that_does_not_answer_on_the_new_path_is_seen_and_nothing_is_left(world: Outside) -> None:
    made_of(world, "portal", Contract(answers={"/other": "x"}))

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert "/portal/ready answers 404" in run.reason
    assert world.cloud.called("infrastructure.apply") == 0
    assert left(world) == []


def test_an_image_that_crashes_leaves_nothing(world: Outside) -> None:
    made_of(world, "portal", Contract(exit_code=2, log=("no_such_key",)))

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert left(world) == []


@pytest.mark.parametrize("call", ["host.update", "infrastructure.apply", "shadow.create", "shadow.remove"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("roll_back", [True, False])
def test_whatever_breaks_nothing_is_left(world: Outside, call: str, when: When, roll_back: bool) -> None:
    world.cloud.script.fail_next(call, BROKEN, when=when)

    run = world.apply(roll_back=roll_back)

    assert run.verdict == ("rolled-back" if roll_back else "halted")
    assert left(world) == []
    assert "shadow" not in run.reason.partition("left so")[2]


def test_somebody_elses_deployment_ends_the_run_and_nothing_is_left(world: Outside) -> None:
    host = world.job().steps["deploy[portal]"].ports.host

    def deploy_too() -> None:
        # Tempo's own: it is made once Tempo's deployment is under way.
        if shadow_name(world.stack, "portal") in world.cloud.shadows and not theirs:
            theirs.append("once")
            host.update(world.service("portal").ecs_service, force=True)

    theirs: list[str] = []
    world.clock.meanwhile = deploy_too
    made_of(world, "portal", Contract(answers={"/other": "x"}))

    assert world.apply().verdict == "superseded"
    assert left(world) == []


@pytest.mark.parametrize("call", ["shadow.create", "shadow.remove"])
@pytest.mark.parametrize(("error", "when"), [(LOST, "before"), (LOST, "after"), (BUSY, "before")])
def test_a_lost_answer_or_a_busy_load_balancer_does_no_harm(
    world: Outside, call: str, error: DeployError, when: When
) -> None:
    world.cloud.script.fail_next(call, error, when=when)

    run = world.apply()

    assert run.verdict == "deployed", run.reason
    assert left(world) == []


@pytest.mark.parametrize("task_probe", ["shadow", "direct"])
def test_what_an_earlier_run_has_left_goes_too(tmp_path: Path, task_probe: str) -> None:
    world = Outside(tmp_path) if task_probe == "shadow" else Simulation(tmp_path)
    for name in BOTH:
        FakeShadowTargets(world.cloud).create(
            ShadowRequest(
                name=shadow_name(world.stack, name),
                like=world.cloud.groups[world.service(name).target_group].arn,
                path="/elsewhere",
                port=1,
                load_balancer=world.stack.environment.load_balancer,
            )
        )

    run = world.apply()

    assert run.verdict == "deployed", run.reason
    assert left(world) == []


def test_the_name_is_the_same_in_every_run_short_and_of_one_service_only() -> None:
    stack = two_moving()
    long = replace(stack, environment=replace(stack.environment, name="a_very.long/environment-name-indeed"))
    names = [shadow_name(each, service) for each in (stack, long) for service in ("portal", "pyroscope", "portal_")]

    assert len(set(names)) == len(names)
    assert all(len(name) <= 32 and name.replace("-", "").isalnum() and name[0] != "-" != name[-1] for name in names)
    assert shadow_name(stack, "portal") == names[0]
    assert shadow_name(other_stack(stack), "portal") != names[0]


def other_stack(stack: Stack) -> Stack:
    return replace(stack, name="another")


def test_it_asks_briskly_and_strictly_within_what_aws_allows() -> None:
    slow = replace(FIVE_SECONDS, interval=30, timeout=29, matcher="200,404", healthy_threshold=5)
    check = shadow_check(slow, "/portal/ready")

    assert (check.path, check.matcher, check.interval, check.timeout) == ("/portal/ready", "200", 10, 9)
    assert (check.healthy_threshold, check.unhealthy_threshold) == (2, 2)
    assert shadow_check(replace(FIVE_SECONDS, interval=2, timeout=1), "/").interval == 5


def test_after_the_flip_everything_comes_back(world: Outside) -> None:
    before = world.paths(), world.tags(), world.grace()
    del world.cloud.rules["/portal"]

    run = world.apply()

    assert world.cloud.called("infrastructure.apply") > 0
    assert (run.verdict, run.differs) == ("rolled-back", ()), run.reason
    assert (world.paths(), world.tags(), world.grace()) == before
    assert left(world) == []


@pytest.mark.parametrize(
    ("status", "reason", "description", "told"),
    [
        ("healthy", "", "", 200),
        ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404]", 404),
        ("unhealthy", "Target.ResponseCodeMismatch", "Health checks failed with these codes: [404, 503]", 503),
        ("unhealthy", "Target.ResponseCodeMismatch", "", None),
        ("unhealthy", "Target.Timeout", "Request timed out", None),
        ("initial", "Elb.RegistrationInProgress", "Target registration is in progress", None),
        ("draining", "Target.DeregistrationInProgress", "", None),
        ("unused", "Target.NotInUse", "", None),
        ("unavailable", "Elb.InternalError", "", None),
    ],
)
def test_what_a_targets_health_tells_of_its_answer(
    status: str, reason: str, description: str, told: int | None
) -> None:
    target = Target(address="10.0.0.1", port=1, status=status, reason=reason, description=description)  # type: ignore[arg-type]
    answer = answer_of(target)

    assert (answer.status if answer else None) == told
    assert answer is None or answer.body is None
