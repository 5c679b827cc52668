"""A sandbox from up to down, on a real engine."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox import bridge, child, engine, lifecycle
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection, connect
from lgtm_deploy.sandbox.home import Home
from tests.conftest import Machine, silent

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


def status_of(url: str) -> int:
    class Kept(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    request = urllib.request.Request(url, headers={"X-Scope-OrgID": "demo"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), Kept()).open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_what_runs_today_answers_without_the_prefix(reset_sandbox: Callable[[], Connection]) -> None:
    # Tests before this one share the sandbox.
    sandbox = reset_sandbox()
    assert status_of(f"{sandbox.load_balancer_url}/tempo/api/echo") == 404
    assert status_of(f"{sandbox.load_balancer_url}/api/health") == 200


def test_up_is_idempotent(sandbox: Connection, example: Stack, machine: Machine) -> None:
    before = child.recorded(machine.home.place(sandbox.name).process)
    assert lifecycle.up(example, sandbox.name, silent) == sandbox
    assert child.recorded(machine.home.place(sandbox.name).process) == before


def test_status_tells_an_up_sandbox_from_one_that_never_was(sandbox: Connection, machine: Machine) -> None:
    assert lifecycle.status(machine.home, sandbox.name).is_up
    assert not lifecycle.status(machine.home, "never").is_up


def test_reset_takes_a_change_back_on_the_same_address(
    sandbox: Connection, example: Stack, reset_sandbox: Callable[[], Connection]
) -> None:
    service = example.services["grafana"].ecs_service
    client(sandbox, "ecs").update_service(cluster=example.environment.cluster, service=service, desiredCount=0)
    assert reset_sandbox().endpoint == sandbox.endpoint
    found = client(sandbox, "ecs").describe_services(cluster=example.environment.cluster, services=[service])
    assert found["services"][0]["runningCount"] == 1


def test_a_second_sandbox_runs_beside_and_goes_without_touching_the_first(
    sandbox: Connection, example: Stack, machine: Machine
) -> None:
    second = lifecycle.up(example, f"{sandbox.name}-two", silent)
    try:
        assert second.endpoint != sandbox.endpoint
        assert status_of(f"{second.load_balancer_url}/api/health") == 200
        registry = second.endpoint.removeprefix("http://")
        repositories = client(second, "ecr").describe_repositories()["repositories"]
        assert {each["repositoryUri"].split("/")[0] for each in repositories} == {registry}
        assert registry in json.dumps(terraform_state(second, "20-ecr"))
    finally:
        lifecycle.down(machine.home, second.name, silent)
    assert status_of(f"{sandbox.load_balancer_url}/api/health") == 200
    assert containers(machine, machine.home.place(second.name).label) == []
    with pytest.raises(NotFoundError):
        connect(machine.home, second.name)


def test_a_cloud_that_died_is_noticed_and_up_brings_it_back(
    sandbox: Connection, example: Stack, machine: Machine
) -> None:
    place = machine.home.place(sandbox.name)
    running = child.recorded(place.process)
    assert running is not None
    running.kill(silent)
    with pytest.raises(NotFoundError, match="is not up"):
        connect(machine.home, sandbox.name)
    assert lifecycle.up(example, sandbox.name, silent).endpoint == sandbox.endpoint
    assert len(containers(machine, place.label)) == len(example.services)


def test_an_interrupted_up_leaves_nothing_that_down_does_not_find(example: Stack, machine: Machine) -> None:
    def interrupt(text: str) -> None:
        if text.startswith("waiting for lgtm"):
            raise KeyboardInterrupt

    name = "interrupted"
    place = machine.home.place(name)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.up(example, name, interrupt)
    assert child.recorded(place.process) is not None
    lifecycle.down(machine.home, name, silent)
    assert child.recorded(place.process) is None
    assert containers(machine, place.label) == []


def test_an_engine_of_our_own_starts_beside_others_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start dockerd")
    # A deep folder: the socket's path must not depend on it.
    home = Home(path=tmp_path / ("deep" * 30))
    monkeypatch.setattr(engine, "DEFAULT_SOCKET", "unix:///nowhere")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with engine.engine_held(home, silent) as held:
        assert held.own
        assert engine.find_engine(home) == held
        socket = Path(held.docker_host.removeprefix("unix://"))
        with engine.engine_held(home, silent) as again:
            assert again == held
        assert engine.answers(held.docker_host)
        assert bridge.exists(f"lgtm{home.identity}")
    assert not engine.answers(held.docker_host)
    assert not socket.parent.exists()
    assert not bridge.exists(f"lgtm{home.identity}")
    lifecycle.remove(home, silent)
    assert not home.path.exists()


def containers(machine: Machine, label: str) -> list[str]:
    with closing(machine.engine.client()) as docker:
        return [
            each["Id"] for each in docker.api.containers(all=True, filters={"label": f"lgtm-deploy.sandbox={label}"})
        ]


def terraform_state(connection: Connection, root: str) -> object:
    s3 = client(connection, "s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    return json.loads(s3.get_object(Bucket=bucket, Key=f"sandbox/{root}/terraform.tfstate")["Body"].read())
