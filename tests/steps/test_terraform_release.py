"""Services whose task definitions Terraform manages are released by it, one at a time, and come back by it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.errors import InDoubtError, PermanentError
from lgtm_deploy.core.gate import Open, Waiting
from lgtm_deploy.core.ports import ContainerSpec
from lgtm_deploy.core.values import typed
from lgtm_deploy.fakes.cloud import CHANGES
from lgtm_deploy.fakes.plan_document import definition_address
from lgtm_deploy.steps.deploy_service import DeployService
from tests.steps.terraform_world import EARLIER, NEW, OLD, RELEASED, TerraformWorld


@pytest.fixture
def world(tmp_path: Path) -> TerraformWorld:
    return TerraformWorld(tmp_path)


def released(world: TerraformWorld) -> list[tuple[str, ...]]:
    """The targets of each plan that was applied in the services' root, in order."""
    plans = {call.arguments["out"]: call.arguments for call in world.cloud.calls if call.name == "infrastructure.plan"}
    applied = [call.arguments for call in world.cloud.calls if call.name == "infrastructure.apply"]
    return [plans[each["plan"].file]["targets"] for each in applied if plans[each["plan"].file]["targets"]]


@pytest.mark.parametrize("ignored", [False, True], ids=["terraform deploys", "task definitions are ignored"])
def test_a_run_deploys_terraforms_revisions_and_leaves_a_plain_plan_empty(tmp_path: Path, *, ignored: bool) -> None:
    world = TerraformWorld(tmp_path, ignored=ignored)

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert world.plain_plan().changes == ()
    for name in RELEASED:
        service = world.service(name)
        assert world.arn(name) == world.cloud.defined[service.ecs_service].arn
        assert world.images(name)[service.container].endswith(f"{service.repository}:{NEW}")
        assert world.digests()[name] == {world.cloud.repositories[service.repository].tags[NEW]}
        assert len(world.running(name).deployments) == 2
    assert world.cloud.called("host.revise") == 0


def test_each_service_is_applied_alone_and_the_grace_period_that_is_held_stays(world: TerraformWorld) -> None:
    grace = {name: world.running(name).grace_period for name in RELEASED}

    assert world.apply().verdict == "deployed"

    targets = released(world)
    assert len(targets) == len(RELEASED)
    assert all(len(each) == 2 for each in targets)
    held = [call.arguments for call in world.cloud.calls if call.name == "host.update"]
    assert any((each["grace_period_seconds"] or 0) > 0 for each in held), "the apply had reset what was held"
    assert {name: world.running(name).grace_period for name in RELEASED} == grace


def test_services_of_one_root_are_applied_in_the_order_of_the_plan(
    world: TerraformWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first service is ready last."""
    others, perform, applying = threading.Event(), world.cloud.perform, threading.Lock()

    def performing(name: str, act: Callable[[], Any], /, **arguments: Any) -> Any:
        if name == "registry.push" and arguments["repository"] == "lgtm-portal":
            assert others.wait(20)
        if name == "host.update" and arguments["service"] == world.service("pyroscope").ecs_service:
            others.set()
        if name != "infrastructure.apply":
            return perform(name, act, **arguments)
        assert applying.acquire(blocking=False), "two applies at once"
        try:
            return perform(name, act, **arguments)
        finally:
            applying.release()

    monkeypatch.setattr(world.cloud, "perform", performing)

    assert world.apply().verdict == "deployed"
    assert [each[0] for each in released(world)] == [
        definition_address(world.service(name).ecs_service) for name in RELEASED
    ]


def test_a_second_run_changes_nothing(world: TerraformWorld) -> None:
    assert world.apply().verdict == "deployed"

    assert world.apply().verdict == "unchanged"


def test_the_preview_has_what_changes_of_each_service(world: TerraformWorld) -> None:
    lines = "\n".join(line for each in world.look_ahead().findings for line in each.lines)

    assert 'grafana.environment.PORTAL_URL "http://portal:8000" -> "http://portal:8000/portal"' in lines
    assert f"lgtm-portal:{OLD}" in lines
    assert f"lgtm-portal:{NEW}" in lines
    assert f"rollback of Terraform root 'ecs': by revision {EARLIER[:8]}" in lines


def test_the_preview_says_what_becomes_of_earlier_profiles(world: TerraformWorld) -> None:
    pyroscope = world.service("pyroscope")
    tags = world.cloud.repositories[pyroscope.repository].tags
    tags["1.13.5-1"] = tags[OLD]

    [preflight] = [each for each in world.look_ahead().findings if each.step == "preflight"]

    assert any("data: pyroscope runs 1.13.5-1 and will run 2.0.4" in each for each in preflight.lines)


@pytest.mark.parametrize("ignored", [False, True], ids=["terraform deploys", "task definitions are ignored"])
@pytest.mark.parametrize("kept", [False, True], ids=["deregistered", "skip_destroy"])
def test_a_failed_run_applies_the_start_state_and_never_deploys_the_old_revision(
    tmp_path: Path, *, ignored: bool, kept: bool
) -> None:
    world = TerraformWorld(tmp_path, ignored=ignored, kept=kept)
    before = world.paths(), world.digests(), {name: world.running(name).grace_period for name in RELEASED}
    old = {name: world.arn(name) for name in RELEASED}
    del world.cloud.rules["/portal"]

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    after = world.paths(), world.digests(), {name: world.running(name).grace_period for name in RELEASED}
    assert after == before
    assert world.plain_plan(world.before).changes == ()
    assert all(world.arn(name) != old[name] for name in RELEASED)
    assert all(
        revision.arn not in old.values() for name in RELEASED for revision in [world.running(name).revisions[-1]]
    )


def test_a_run_can_be_applied_again_after_it_was_rolled_back(world: TerraformWorld) -> None:
    rule = world.cloud.rules.pop("/portal")
    assert world.apply().verdict == "rolled-back"
    world.cloud.rules["/portal"] = rule

    assert world.apply().verdict == "deployed"
    assert world.plain_plan().changes == ()


def test_a_revision_that_is_not_terraforms_own_comes_back_itself(tmp_path: Path) -> None:
    world = TerraformWorld(tmp_path, ignored=True)
    portal = world.service("portal")
    digest = world.cloud.repositories[portal.repository].tags[OLD]
    live = world.ports.host.revise(
        portal.ecs_service, {portal.container: world.ports.registry.reference(portal.repository, digest)}
    )
    world.ports.host.update(portal.ecs_service, task_definition=live)
    world.cloud.advance(300)
    del world.cloud.rules["/portal"]

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert world.arn("portal") == live
    assert world.plain_plan(world.before).changes == ()


def test_a_revision_that_ecs_cannot_deploy_again_is_refused_beforehand(tmp_path: Path) -> None:
    """Terraform has deregistered it, and the service ignores that: it runs on."""
    world = TerraformWorld(tmp_path, ignored=True)
    runs = world.running("portal").revisions[-1]
    newest = world.cloud.register(world.running("portal"), runs.images)
    world.cloud.defined[world.service("portal").ecs_service].arn = newest.arn
    runs.active = False

    why = refused(world)

    assert f"portal could not be rolled back: it runs {runs.arn.rpartition('/')[2]}, which is deregistered" in why
    assert f"rollback impossible: {why}" in [line for each in world.look_ahead().findings for line in each.lines]
    assert world.apply(roll_back=False).verdict == "deployed"


def refused(world: TerraformWorld) -> str:
    """Why the run is refused; nothing was changed."""
    run = world.apply()
    assert run.verdict == "refused", run.reason
    assert not {call.name for call in world.cloud.calls} & CHANGES
    return run.reason


def test_a_tag_that_ecr_has_with_another_image_is_refused(world: TerraformWorld) -> None:
    repository = world.cloud.repositories["lgtm-portal"]
    repository.tags[NEW] = repository.tags[OLD]

    assert f"lgtm-portal:{NEW} is in ECR with another image" in refused(world)


def test_a_tag_that_ecr_has_with_the_same_image_is_not_pushed_again(world: TerraformWorld) -> None:
    world.definition("grafana").containers = world.containers("grafana", OLD, url="http://portal:8000/portal")
    world.has_built("grafana", OLD)

    assert world.apply().verdict == "deployed"

    pushed = [call.arguments for call in world.cloud.calls if call.name == "registry.push"]
    assert "lgtm-grafana" not in {each["repository"] for each in pushed}
    assert len(world.running("grafana").deployments) == 2, "its URL of the portal is another one"
    assert world.plain_plan().changes == ()


def started(world: TerraformWorld, name: str) -> list[str]:
    """The URL of the portal that each image of a service was started with in its trial."""
    container = world.service(name).container
    specs = [call.arguments["spec"] for call in world.cloud.calls if call.name == "image_probe.start"]
    return [each.environment["PORTAL_URL"] for each in specs if each.environment.get("SERVICE") == container]


@pytest.mark.parametrize("same_image", [False, True])
def test_an_image_is_tried_out_with_the_planned_environment(world: TerraformWorld, *, same_image: bool) -> None:
    """The image that runs is started beside it with the environment that it runs with."""
    tag = OLD if same_image else NEW
    planned = world.containers("grafana", tag, url="http://portal:8000/portal")
    planned[0]["environment"].append({"name": "SERVICE", "value": "grafana"})
    world.definition("grafana").containers = planned
    runs = {"PORTAL_URL": "http://portal:8000", "SERVICE": "grafana"}
    world.running("grafana").spec = ContainerSpec(environment=runs)
    if same_image:
        world.has_built("grafana", OLD)

    world.look_ahead()

    assert sorted(started(world, "grafana")) == ["http://portal:8000", "http://portal:8000/portal"]


def test_an_image_is_tried_out_with_what_terraform_has_where_it_plans_nothing(tmp_path: Path) -> None:
    """The service runs a revision of somebody else's."""
    world = TerraformWorld(tmp_path, ignored=True)
    defined = world.cloud.defined[world.service("grafana").ecs_service]
    defined.containers = world.containers("grafana", NEW, url="http://portal:8000/portal")
    defined.containers[0]["environment"].append({"name": "SERVICE", "value": "grafana"})
    world.definition("grafana").containers = defined.containers
    runs = {"PORTAL_URL": "http://elsewhere", "SERVICE": "grafana"}
    world.running("grafana").spec = ContainerSpec(environment=runs)

    world.look_ahead()

    assert sorted(started(world, "grafana")) == ["http://elsewhere", "http://portal:8000/portal"]


def test_an_image_that_was_built_before_gets_the_planned_tag_without_a_build(world: TerraformWorld) -> None:
    world.has_built("grafana", OLD)

    assert world.apply().verdict == "deployed"

    tags = world.cloud.repositories["lgtm-grafana"].tags
    assert NEW in tags
    assert world.digests()["grafana"] == {tags[NEW]}


TOPIC = {
    "address": "aws_sns_topic.alarms",
    "mode": "managed",
    "type": "aws_sns_topic",
    "name": "alarms",
    "change": {"actions": ["delete"], "before": {"name": "alarms"}, "after": None},
}


def test_a_root_that_would_change_more_is_refused(world: TerraformWorld) -> None:
    world.root.also.append(TOPIC)

    assert "aws_sns_topic.alarms: would be destroyed" in refused(world)


def test_a_service_that_the_plan_does_not_name_may_not_change_along(world: TerraformWorld) -> None:
    loki = world.service("loki")
    old = world.containers("loki", OLD, url="")
    world.root.definitions[loki.ecs_service] = replace(
        world.definition("portal"), containers=world.containers("loki", NEW, url="")
    )
    world.cloud.defined[loki.ecs_service] = replace(
        world.cloud.defined[world.service("portal").ecs_service], arn=world.arn("loki"), containers=old
    )

    assert f'aws_ecs_task_definition.this["{loki.ecs_service}"]: would be replaced' in refused(world)


def test_a_root_that_does_not_manage_the_service_is_refused(world: TerraformWorld) -> None:
    del world.root.definitions[world.service("portal").ecs_service]

    assert f"has no aws_ecs_service '{world.service('portal').ecs_service}'" in refused(world)


def test_an_apply_that_would_wait_for_the_service_is_refused(world: TerraformWorld) -> None:
    world.definition("pyroscope").waits = True

    assert "wait_for_steady_state" in refused(world)


def test_an_image_that_is_named_by_digest_is_refused(world: TerraformWorld) -> None:
    [container] = world.definition("portal").containers
    container["image"] = f"{container['image'].rpartition(':')[0]}@sha256:{'0' * 64}"

    assert "and not a tag of lgtm-portal" in refused(world)


def test_a_planned_variable_that_keeps_a_path_that_moves_is_refused(world: TerraformWorld) -> None:
    world.definition("grafana").containers = world.containers("grafana", NEW, url="http://portal:8000/echo")

    why = refused(world)

    assert "The planned task definition of grafana has PORTAL_URL=http://portal:8000/echo (container grafana)" in why
    assert "Write http://portal:8000/portal/echo in the files of Terraform root 'ecs'." in why


def test_a_planned_container_health_check_on_a_path_that_moves_is_refused(world: TerraformWorld) -> None:
    [container] = world.definition("portal").containers
    container["healthCheck"] = {"command": ["CMD-SHELL", "wget -q http://localhost:8000/ready"]}

    why = refused(world)

    assert "The planned task definition of portal has a container health check on http://localhost:8000/ready" in why
    assert "Write http://localhost:8000/portal/ready in the files" in why


def test_without_a_start_state_the_run_is_refused(world: TerraformWorld) -> None:
    world.cloud.history = []

    assert "Terraform root 'ecs' could not be rolled back" in refused(world)
    assert "or pass --no-rollback" in refused(world)


def test_a_run_without_a_way_back_is_told_and_goes_on_with_no_rollback(world: TerraformWorld) -> None:
    world.cloud.history = []
    lines = [line for each in world.look_ahead().findings for line in each.lines]

    assert (
        "rollback of Terraform root 'ecs': impossible: no Git revision and no files applied before match what runs"
        " (there is none to try)"
    ) in lines
    assert world.apply(roll_back=False).verdict == "deployed"


def test_what_is_committed_while_the_run_goes_on_is_not_applied(
    world: TerraformWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, perform = world.digests(), world.cloud.perform

    def performing(name: str, act: Callable[[], Any], /, **arguments: Any) -> Any:
        if name == "registry.push":
            world.definition("portal").containers = world.containers("portal", "elsewhere", url="")
        return perform(name, act, **arguments)

    monkeypatch.setattr(world.cloud, "perform", performing)
    run = world.apply()

    assert run.verdict == "rolled-back"
    assert "would not change what was approved" in run.reason
    assert "approved, and not planned now" in run.reason
    assert world.digests() == before


def test_an_apply_whose_end_is_unknown_is_looked_for_and_not_made_twice(world: TerraformWorld) -> None:
    world.cloud.script.fail_next("infrastructure.apply", InDoubtError("Terraform was killed."), when="after")

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert all(len(world.running(name).deployments) == 2 for name in RELEASED)
    assert world.plain_plan().changes == ()


def test_an_apply_that_had_no_effect_is_made_again(world: TerraformWorld) -> None:
    world.cloud.script.fail_next("infrastructure.apply", InDoubtError("Terraform was killed."))

    assert world.apply().verdict == "deployed"
    assert world.plain_plan().changes == ()


HALF_WAY = pytest.mark.parametrize("half", ["deregistered", "registered"])


@HALF_WAY
@pytest.mark.parametrize("ignored", [False, True], ids=["terraform deploys", "task definitions are ignored"])
def test_an_apply_that_ended_half_way_is_gone_on_with(tmp_path: Path, half: Any, *, ignored: bool) -> None:
    world = TerraformWorld(tmp_path, ignored=ignored)
    world.root.breaks_off = half

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert all(len(world.running(name).deployments) == 2 for name in RELEASED)
    assert world.plain_plan().changes == ()


@HALF_WAY
@pytest.mark.parametrize("ignored", [False, True], ids=["terraform deploys", "task definitions are ignored"])
def test_an_apply_that_ended_half_way_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: Any, *, ignored: bool
) -> None:
    world = TerraformWorld(tmp_path, ignored=ignored)
    world.root.breaks_off = half
    before, perform = world.digests(), world.cloud.perform

    def performing(name: str, act: Callable[[], Any], /, **arguments: Any) -> Any:
        if name == "infrastructure.plan" and not world.root.breaks_off:
            world.definition("portal").containers = world.containers("portal", "elsewhere", url="")
        return perform(name, act, **arguments)

    monkeypatch.setattr(world.cloud, "perform", performing)
    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ()), run.reason
    assert world.digests() == before
    assert world.plain_plan(world.before).changes == ()


def test_an_update_whose_answer_is_lost_is_looked_for(tmp_path: Path) -> None:
    world = TerraformWorld(tmp_path, ignored=True)
    world.cloud.script.fail_next("host.update", InDoubtError("The answer was lost."), when="after", times=3)

    assert world.apply().verdict == "deployed"
    assert all(len(world.running(name).deployments) == 2 for name in RELEASED)
    assert world.plain_plan().changes == ()


def test_a_service_that_crashes_comes_back_in_terraform_too(tmp_path: Path) -> None:
    world = TerraformWorld(tmp_path, skip="it is not tried")
    place = (world.stack.directory / world.service("portal").context).resolve()
    before = world.digests()
    source = world.cloud.sources[place]
    world.cloud.sources[place] = replace(source, contract=replace(source.contract, exit_code=1))

    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert world.digests() == before
    assert world.plain_plan(world.before).changes == ()


def test_what_ecs_took_back_by_itself_is_not_back_until_terraform_has_it(world: TerraformWorld) -> None:
    assert world.apply().verdict == "deployed"
    step, inputs, seen, _ = journaled(world, "grafana", "deploy")
    grafana = world.running("grafana")
    grafana.wanted = grafana.deployments[0]
    grafana.deployments[-1].status = "ROLLBACK_SUCCESSFUL"
    assert world.arn("grafana") == seen.task_definition

    assert isinstance(step.restored(inputs, seen), Waiting)
    step.compensate(inputs, seen, lambda _: None)
    world.cloud.advance(300)

    assert isinstance(step.restored(inputs, seen), Open)
    assert world.arn("grafana") == world.cloud.defined[grafana.name].arn != seen.task_definition


def test_a_deployment_of_somebody_else_keeps_a_run_from_being_undone(world: TerraformWorld) -> None:
    assert world.apply().verdict == "deployed"
    step, inputs, seen, outputs = journaled(world, "portal")
    assert step.superseded(inputs, seen, outputs) == ""

    world.cloud.deploy(world.running("portal"), world.running("portal").revisions[-1])

    assert "deployed by somebody else since" in step.superseded(inputs, seen, outputs)


def test_going_back_twice_does_no_harm(world: TerraformWorld) -> None:
    assert world.apply().verdict == "deployed"
    step, inputs, seen, _ = journaled(world, "portal")

    step.compensate(inputs, seen, lambda _: None)
    deployments = len(world.running("portal").deployments)
    step.compensate(inputs, seen, lambda _: None)

    assert len(world.running("portal").deployments) == deployments
    assert step.superseded(inputs, seen, None) == ""


def test_a_start_state_that_leads_elsewhere_is_not_applied(world: TerraformWorld) -> None:
    assert world.apply().verdict == "deployed"
    step, inputs, seen, _ = journaled(world, "portal")
    name = world.service("portal").ecs_service
    world.before.definitions[name].containers = world.containers("portal", "elsewhere", url="")
    applied = world.cloud.called("infrastructure.apply")

    with pytest.raises(PermanentError, match=r"would not come back: portal\.image would not be"):
        step.compensate(inputs, seen, lambda _: None)
    assert world.cloud.called("infrastructure.apply") == applied


def test_autoscaling_does_not_bar_the_way_back(world: TerraformWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The apply of the next service is refused, and Terraform sets the committed desired count of the first."""
    before, perform = world.digests(), world.cloud.perform
    for name in RELEASED:
        for root in (world.root, world.before):
            root.definitions[world.service(name).ecs_service].desired = 1

    def performing(call: str, act: Callable[[], Any], /, **arguments: Any) -> Any:
        done = perform(call, act, **arguments)
        if call == "infrastructure.apply":
            for name in RELEASED:
                world.running(name).desired = 2
        return done

    monkeypatch.setattr(world.cloud, "perform", performing)
    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ()), run.reason
    assert "desired_count 2 -> 1 is not allowed" in run.reason
    assert world.digests() == before


def journaled(world: TerraformWorld, name: str, kind: str = "deploy") -> tuple[DeployService, Any, Any, Any]:
    """The deploy step of a service, with what the journal has of it."""
    known = world.last.steps[f"{kind}[{name}]"]
    step = DeployService(world.stack, world.ports)
    seen = typed(step.sees, known.seen or {})
    return step, typed(step.takes, known.inputs), seen, typed(step.gives, known.outputs)
