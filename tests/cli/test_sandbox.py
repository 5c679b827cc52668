"""What is told of a sandbox: its base images, its environment, and whether it answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.cli import wiring
from lgtm_deploy.cli.sandbox import path_that_answers
from lgtm_deploy.config import stack_file
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox import child, lifecycle
from lgtm_deploy.sandbox.connection import Connection, connect, save
from lgtm_deploy.sandbox.home import HOME_VARIABLE, NAME_VARIABLE, home_for
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Source
from lgtm_deploy.sandbox.ports import free_port
from lgtm_deploy.sandbox.standins.listener import NOT_FOUND, Request, Response, listen, text
from tests.cli.command import lgtm_deploy
from tests.config.files import STACK, lay_stack

LOCAL = STACK.replace("    terraform:\n", "    endpoint: sandbox\n    terraform:\n")
CHOICE = Choice(
    images={
        "grafana": BaseImage(source=Source.STANDIN, reference="docker.io/grafana/grafana:12.1.0"),
        "tempo": BaseImage(source=Source.LOADED, reference="docker.io/grafana/tempo:2.9.0", image="sha256:1"),
    },
    reason="stand-ins for grafana, because grafana/grafana:12.1.0 cannot be pulled: no such host",
    factor=10.0,
)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """One whose sandbox runs, as far as its files tell."""
    monkeypatch.delenv(HOME_VARIABLE, raising=False)
    monkeypatch.delenv(NAME_VARIABLE, raising=False)
    found = stack_file.load(lay_stack(tmp_path, LOCAL), "prod")
    place = home_for(tmp_path).place("default")
    connection = Connection(
        name="default",
        # Nobody listens on the discard port.
        endpoint="http://127.0.0.1:9",
        region="eu-west-1",
        account="111122223333",
        load_balancer_url="http://127.0.0.1:9",
        docker_host="tcp://127.0.0.1:9",
        build_args={"grafana": {"BASE_REGISTRY": "lgtm-standin/0-x10"}},
        environment={},
        records=place.records,
        choice=CHOICE,
        stack_environment="prod",
    )
    save(place, connection)
    child.record_self(place.process)
    return found


def test_the_status_tells_origin_reason_and_factor(stack: Stack) -> None:
    said = lgtm_deploy("sandbox", "status", folder=stack.directory)

    assert "  base images     loaded image: tempo\n                  stand-in (not recorded): grafana\n" in said.out
    assert f"  chosen          {CHOICE.reason}\n" in said.out
    assert "  factor          10 (the delays of stand-ins are divided by it)\n" in said.out


def test_the_status_tells_programs_too(stack: Stack) -> None:
    said = json.loads(lgtm_deploy("sandbox", "status", "--output", "json", folder=stack.directory).out)

    assert said["base_images"] == {"grafana": "stand-in (not recorded)", "tempo": "loaded image"}
    assert (said["base_images_reason"], said["factor"]) == (CHOICE.reason, 10.0)


def test_only_a_service_on_a_stand_in_is_built_with_its_registry(stack: Stack) -> None:
    build_args = {name: service.build_args for name, service in wiring.settled(stack).services.items()}

    assert build_args == {"tempo": {}}
    assert wiring.base_images(stack) == {"grafana": "stand-in (not recorded)", "tempo": "loaded image"}


def test_another_environment_does_not_take_the_sandbox_for_its_own(stack: Stack) -> None:
    other = replace(stack, environment=replace(stack.environment, name="staging"))

    for use in (wiring.settled, lambda each: lifecycle.reset(each, "default", lambda _text: None)):
        with pytest.raises(UsageError, match="The sandbox 'default' runs environment 'prod', and not 'staging'"):
            use(other)
    assert "  environment     prod\n" in lgtm_deploy("sandbox", "status", folder=stack.directory).out


def test_the_status_tells_of_a_docker_engine_that_does_not_answer(stack: Stack) -> None:
    said = lgtm_deploy("sandbox", "status", folder=stack.directory).out

    assert said.startswith("The sandbox 'default' is not up: its Docker Engine does not answer. Start it with ")


def test_elsewhere_nothing_is_told_of_base_images(tmp_path: Path) -> None:
    assert wiring.base_images(stack_file.load(lay_stack(tmp_path), "prod")) is None


@pytest.mark.parametrize(("known", "path"), [({"/ready"}, "/ready"), (set(), "")])
def test_the_suggested_path_answers_as_things_run(stack: Stack, known: set[str], path: str) -> None:
    """The stack's only health check path is /ready."""

    def answer(request: Request) -> Response:
        return text("ready") if request.path in known else NOT_FOUND

    port = free_port(())
    server = listen(port, answer, "127.0.0.1")
    connection = connect(home_for(stack.directory), "default")
    connection = replace(connection, load_balancer_url=f"http://127.0.0.1:{port}")

    assert path_that_answers(connection, stack) == path
    server.shutdown()
    server.server_close()
    assert path_that_answers(connection, stack) == ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--images", "real"), "--images (LGTM_DEPLOY_SANDBOX_IMAGES) is 'real'. Use auto, vendor or standin."),
        (("--factor", "ten"), "--factor (LGTM_DEPLOY_SANDBOX_FACTOR) is 'ten'. Use a number from 1 to 1000."),
        (("--factor", "0.1"), "--factor (LGTM_DEPLOY_SANDBOX_FACTOR) is '0.1'. Use a number from 1 to 1000."),
    ],
)
def test_what_no_sandbox_can_be_made_with_is_refused(stack: Stack, words: tuple[str, str], complaint: str) -> None:
    said = lgtm_deploy("sandbox", "up", *words, folder=stack.directory)

    assert (said.code, said.err) == (2, f"Error: {complaint}\n")
