"""`wait`: until deployments have settled, and why when they do not; in a cloud in memory."""

import json
from pathlib import Path

import pytest

from lgtm_deploy.cli import watching, wiring
from lgtm_deploy.cli.app import run
from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.fakes import Contract, fake_ports
from lgtm_deploy.fakes.rollout import FakeService
from tests.cli.command import lgtm_deploy
from tests.config.files import STACK, lay_stack
from tests.steps.simulation import EXAMPLE, SimulatedToken, Simulation

GONE = "sha256:" + "0" * 64


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Simulation:
    world = Simulation(tmp_path, whole=True)
    ports = fake_ports(world.stack, world.cloud, tmp_path)
    seen = wiring.Sights(host=ports.host, rollouts=ports.rollouts, balancer=ports.balancer, caller=ports.caller)
    monkeypatch.setattr(wiring, "sights", lambda _: seen)
    monkeypatch.setattr(watching, "SystemClock", lambda: world.clock)
    monkeypatch.setattr(watching, "CancellationToken", lambda: SimulatedToken(world.clock))
    return world


def wait(*words: str) -> int:
    return run(["--stack", str(EXAMPLE), "--env", "prod", "wait", *words])


def deploy(world: Simulation, name: str, contract: Contract | None) -> FakeService:
    """A deployment by hand of an image that does so; None: it cannot be pulled."""
    service = world.service(name)
    host = fake_ports(world.stack, world.cloud, Path()).host
    if contract is None:
        reference = f"{world.cloud.address_of(service.repository)}@{GONE}"
    else:
        digest = world.cloud.put_image(service.repository, "by-hand", contract)
        reference = f"{world.cloud.address_of(service.repository)}@{digest}"
    revision = host.revise(service.ecs_service, {service.container: reference})
    host.update(service.ecs_service, task_definition=revision)
    return world.running(name)


def test_what_runs_has_settled(world: Simulation, capsys: pytest.CaptureFixture[str]) -> None:
    assert wait("tempo", "pyroscope") == 0

    told = capsys.readouterr().out
    assert "tempo: settled: sha256:" in told
    assert "pyroscope: settled: sha256:" in told


def test_a_good_deployment_is_waited_for(world: Simulation) -> None:
    service = deploy(world, "tempo", Contract(answers={"/ready": "ready"}))

    assert wait("tempo") == 0
    assert service.deployments[-1].status == "SUCCESSFUL"


def test_an_image_that_cannot_be_pulled_fails_long_before_the_breaker(
    world: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    service = deploy(world, "tempo", None)

    assert wait("tempo") == 1
    assert "tempo: failed: a task stopped: CannotPullContainerError: " in capsys.readouterr().out
    assert service.deployments[-1].failed == 2


def test_an_image_that_exits_fails_with_its_code_and_last_words_and_the_others_are_waited_for(
    world: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(world, "tempo", Contract(exit_code=2, log=("field prefix not found",)))
    deploy(world, "pyroscope", Contract(answers={"/ready": "ready"}))

    assert wait("tempo", "pyroscope", "--output", "json") == 1

    *events, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert last["event"] == "WaitFinished"
    assert last["exit_code"] == 1
    assert last["services"]["pyroscope"]["ending"] == "settled"
    assert last["services"]["tempo"]["ending"] == "failed"
    assert (
        "container tempo exited with code 2: last log lines: field prefix not found"
        in (last["services"]["tempo"]["reason"])
    )
    assert {"RunStarted", "StepStarted", "StepFailed", "StepSucceeded"} <= {each["event"] for each in events}


def test_a_finished_rollback_is_a_failure_although_the_service_is_stable(
    world: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    service = deploy(world, "tempo", Contract(exit_code=2))
    world.cloud.advance(300)
    assert service.deployments[-1].status == "ROLLBACK_SUCCESSFUL"

    assert wait("tempo") == 1
    assert "tempo: failed: ECS rolled the deployment back: " in capsys.readouterr().out


def test_tasks_that_the_load_balancer_fails_come_with_path_and_code(
    world: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(world, "tempo", Contract(answers={"/tempo/ready": "ready"}))

    assert wait("tempo", "--timeout", "60", "--output", "json") in (1, 5)

    assert "the load balancer asks /ready: Health checks failed with these codes: [404]" in capsys.readouterr().out


def test_no_room_for_a_task_is_told_and_times_out(world: Simulation, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(world, "tempo", Contract(answers={"/ready": "ready"})).crowded = "no container instance met its requirements"

    assert wait("tempo", "--timeout", "30") == 5
    assert (
        "tempo: timed-out: after 30 s still: 0/1 new tasks running: ECS says: was unable to place a task because no"
        " container instance met its requirements"
    ) in capsys.readouterr().out


def test_a_newer_deployment_supersedes_the_one_waited_for_and_is_named(
    world: Simulation, capsys: pytest.CaptureFixture[str]
) -> None:
    service = deploy(world, "tempo", Contract(answers={"/tempo/ready": "ready"}))
    waited_for = service.deployments[-1]
    world.clock.meanwhile = lambda: (
        deploy(world, "tempo", Contract(answers={"/ready": "ready"})) if service.deployments[-1] is waited_for else None
    )

    assert wait("tempo") == 6
    newer = service.deployments[-1].arn.rpartition("/")[2]
    assert f"tempo: superseded: the deployment was stopped: deployment {newer} replaced it" in capsys.readouterr().out


def test_throttling_is_told_and_waited_out(world: Simulation, capsys: pytest.CaptureFixture[str]) -> None:
    deploy(world, "tempo", Contract(answers={"/ready": "ready"}))
    world.cloud.script.fail_next("rollouts.tasks", TransientError("Rate exceeded (ThrottlingException)."))

    assert wait("tempo", "--output", "json") == 0

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "Rate exceeded (ThrottlingException)." in [each.get("message") for each in said]


def test_ctrl_c_ends_with_130(world: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(world, "tempo", Contract(answers={"/tempo/ready": "ready"}))
    stop = SimulatedToken(world.clock)
    monkeypatch.setattr(watching, "CancellationToken", lambda: stop)
    world.clock.meanwhile = lambda: stop.cancel("interrupted")

    assert wait("tempo") == 130


def test_it_changes_nothing_and_leaves_nothing(world: Simulation, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))

    wait("tempo")

    assert sorted(tmp_path.rglob("*")) == before
    assert not any(world.cloud.called(call) for call in ("host.update", "host.revise", "registry.push"))


def test_what_is_not_there_is_a_usage_error(world: Simulation, capsys: pytest.CaptureFixture[str]) -> None:
    assert wait("nothing") == 2
    assert "The stack has no service 'nothing'." in capsys.readouterr().err
    del world.cloud.services[world.service("tempo").ecs_service]
    assert wait("tempo") == 2
    assert "lgtm-prod-tempo" in capsys.readouterr().err


def test_the_program_itself_says_what_is_missing(tmp_path: Path) -> None:
    lay_stack(tmp_path, STACK.replace("    cluster: lgtm\n", "    cluster: lgtm\n    endpoint: sandbox\n"))

    assert lgtm_deploy("wait", folder=tmp_path).code == 2
    said = lgtm_deploy("wait", "tempo", folder=tmp_path)
    assert (said.code, said.complaint) == (
        2,
        "Error: The sandbox 'default' is not up. Start it with `lgtm-deploy sandbox up`.",
    )
