"""The example stack on images that a registry serves under the vendors' names, and on one that a person loaded."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import docker
import pytest

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox import engine, lifecycle
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.home import HOME_VARIABLE, NAME_VARIABLE, Home
from lgtm_deploy.sandbox.image_choice import Images, Wanted
from lgtm_deploy.sandbox.images import build_standins
from lgtm_deploy.sandbox.settings import MIRROR_VARIABLE, provider_mirror
from tests.conftest import EXAMPLE, Machine, silent
from tests.sandbox.registry import Image, Registry, exported_image, serving

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.timeout(900)]

FACTOR = 10.0


@pytest.fixture(scope="module")
def images(machine: Machine, example: Stack) -> dict[str, Image]:
    """What a registry has under the vendors' names: no vendor's image is here, so that stand-ins play them."""
    found = {}
    with closing(machine.engine.client()) as client:
        for service in example.services.values():
            version = (service.name, service.version)
            build_standins(machine.home, client, [version], FACTOR, silent)
            name = f"grafana/{service.name}:{service.version}"
            archive = client.api.get_image(f"{machine.home.base_registry(FACTOR)}/{name}")
            found[name] = exported_image(b"".join(archive))
    return found


@pytest.fixture(scope="module")
def home(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One with an engine of its own, whatever other engine there is."""
    if os.geteuid() != 0:
        pytest.skip("only root can start dockerd")
    found = Home(path=tmp_path_factory.mktemp("vendor") / "sandbox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MIRROR_VARIABLE, provider_mirror(machine.home))
        patch.setenv(HOME_VARIABLE, str(found.path))
        patch.setenv(NAME_VARIABLE, "vendor")
        patch.setattr(engine, "DEFAULT_SOCKET", "unix:///nowhere")
        patch.delenv("DOCKER_HOST")
        yield found
        lifecycle.remove(found, silent)


@pytest.fixture(scope="module")
def connection(home: Home, machine: Machine, example: Stack, images: dict[str, Image]) -> Iterator[Connection]:
    tempo = f"grafana/tempo:{example.services['tempo'].version}"
    standin = f"{machine.home.base_registry(FACTOR)}/{tempo}"
    with closing(machine.engine.client()) as client:
        archive = b"".join(client.api.get_image(standin))
    with engine.engine_held(home, silent) as own, closing(own.client()) as client:
        load(client, archive, standin, tempo)
        served = {name: image for name, image in images.items() if name != tempo}
        with serving(Registry(images=served)) as registry, pytest.MonkeyPatch.context() as patch:
            patch.setenv(engine.MIRROR_VARIABLE, registry.url)
            yield lifecycle.up(example, "vendor", silent, wanted=Wanted(images=Images.AUTO))


def load(client: docker.DockerClient, archive: bytes, standin: str, name: str) -> None:
    """Load an image and give it the vendor's name, as a person does."""
    client.images.load(archive)
    client.images.build(fileobj=io.BytesIO(f"FROM {standin}\nENV LOADED_BY=hand\n".encode()), tag=name)


def run(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "lgtm_deploy", *words, "--output", "json"],
        cwd=EXAMPLE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_stack_runs_on_vendors_images_and_on_a_loaded_one(connection: Connection, example: Stack) -> None:
    expected = {name: "loaded image" if name == "tempo" else "vendor image" for name in example.services}
    assert run("sandbox", "status")["base_images"] == expected
    assert connection.build_args == {}
    running = {}
    with closing(docker.DockerClient(base_url=connection.docker_host)) as client:
        for each in client.containers.list():
            running[each.labels["com.amazonaws.ecs.container-name"]] = each.attrs["Config"]
    assert running.keys() == example.services.keys()
    assert "LOADED_BY=hand" in running["tempo"]["Env"]
    # The image's own user: the task definitions name none.
    assert running["tempo"]["User"] == "10001"


def test_the_preview_tells_on_which_base_images_it_stands(connection: Connection) -> None:
    found = run("plan", "prefix-change", "--env", "sandbox")
    assert set(found["base_images"].values()) == {"vendor image", "loaded image"}
