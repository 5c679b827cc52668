"""The vendors' images on a real engine of the sandbox's own, with a registry on loopback as its mirror."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import docker
import pytest

from lgtm_deploy.core.errors import PermanentError, UsageError
from lgtm_deploy.core.stack import Environment, Stack
from lgtm_deploy.sandbox import engine, lifecycle, vendor_images
from lgtm_deploy.sandbox.engine import Engine
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.image_choice import BaseImage, Choice, Images, Source, Wanted
from lgtm_deploy.sandbox.images import ensure_standins, standin_arguments
from lgtm_deploy.sandbox.vendor_images import choose_images, image_of
from tests.conftest import silent
from tests.sandbox.registry import Registry, digest_of, serving, small_image
from tests.stacks import make_service

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

TEMPO, LOKI = "grafana/tempo:2.9.0", "grafana/loki:3.5.1"
DOCKERFILE = "ARG BASE_REGISTRY=docker.io\nARG VERSION\nFROM ${BASE_REGISTRY}/grafana/%s:${VERSION}\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One whose engine runs without a mirror, and without one of the user's beside it."""
    if os.geteuid() != 0:
        pytest.skip("only root can start dockerd")
    found = Home(path=tmp_path_factory.mktemp("vendor") / "sandbox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "DEFAULT_SOCKET", "unix:///nowhere")
        patch.delenv("DOCKER_HOST", raising=False)
        patch.delenv(engine.MIRROR_VARIABLE, raising=False)
        with engine.engine_held(found, silent):
            yield found
        lifecycle.remove(found, silent)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """It has both images, and the engine is to ask it before any other."""
    with serving(Registry(images={TEMPO: small_image("tempo"), LOKI: small_image("loki")})) as found:
        monkeypatch.setenv(engine.MIRROR_VARIABLE, found.url)
        yield found


@pytest.fixture
def own(home: Home, registry: Registry) -> Engine:
    """The engine, which asks the registry of this test."""
    return engine.ensure_engine(home, silent)


@pytest.fixture
def client(own: Engine) -> Iterator[docker.DockerClient]:
    """Nothing that a test leaves under the vendors' names is there for the next one."""
    with closing(own.client()) as found:
        yield found
        for name in (TEMPO, LOKI):
            if image_of(found, name):
                found.images.remove(name, force=True)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    services = {
        "tempo": make_service(name="tempo", context="dockerfiles/tempo", version="2.9.0"),
        "loki": make_service(name="loki", context="dockerfiles/loki", version="3.5.1"),
    }
    for name in services:
        write(tmp_path, name, DOCKERFILE % name)
    environment = Environment(name="sandbox", region="eu-west-1", account="1", cluster="c")
    return Stack(name="s", directory=tmp_path, services=services, environment=environment)


def write(directory: Path, name: str, dockerfile: str) -> None:
    file = directory / "dockerfiles" / name / "Dockerfile"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dockerfile)


def files(stack: Stack) -> Mapping[str, Path]:
    return {str(file.relative_to(stack.directory)): file for file in stack.directory.rglob("Dockerfile")}


def chosen(home: Home, stack: Stack, own: Engine, mode: Images, told: list[str] | None = None) -> Choice:
    progress = silent if told is None else told.append
    return choose_images(home, stack, files(stack), own, wanted=Wanted(images=mode), progress=progress)


def origins(choice: Choice) -> dict[str, str]:
    return {name: image.describe() for name, image in choice.images.items()}


def load(client: docker.DockerClient, name: str) -> str:
    """An image that a person built under the vendor's name: without any label."""
    client.images.build(fileobj=io.BytesIO(b"FROM scratch\nUSER 10001\nENV MADE_BY=hand\n"), tag=name)
    return image_of(client, name)


def test_images_that_a_registry_serves_under_the_vendors_names_are_pulled(
    home: Home, stack: Stack, own: Engine, client: docker.DockerClient, registry: Registry
) -> None:
    told: list[str] = []
    choice = chosen(home, stack, own, Images.AUTO, told)

    assert origins(choice) == {"tempo": "vendor image", "loki": "vendor image"}
    assert {each.image for each in choice.images.values()} == {image_of(client, name) for name in (TEMPO, LOKI)}
    assert [each for each in told if each] == [
        "choosing the base images",
        f"base images: the vendors' images; to be pulled: {TEMPO}, {LOKI}",
        f"pulling {TEMPO}",
        f"pulling {LOKI}",
    ]
    assert standin_arguments(home, stack, files(stack), choice, own_engine=True) == {}
    # What was pulled once is not asked for again, and stays the vendor's.
    registry.asked.clear()
    assert origins(chosen(home, stack, own, Images.AUTO)) == origins(choice)
    assert registry.asked == []


def test_an_image_that_a_person_built_is_used_and_not_pulled(
    home: Home, stack: Stack, own: Engine, client: docker.DockerClient, registry: Registry
) -> None:
    mine = load(client, TEMPO)

    choice = chosen(home, stack, own, Images.VENDOR)

    assert origins(choice) == {"tempo": "loaded image", "loki": "vendor image"}
    assert (choice.images["tempo"].image, image_of(client, TEMPO)) == (mine, mine)
    assert not [path for path in registry.asked if "tempo" in path]


def test_one_image_that_the_registry_has_not_makes_stand_ins_and_leaves_a_persons_image(
    home: Home, stack: Stack, own: Engine, client: docker.DockerClient, registry: Registry
) -> None:
    registry.images = {}
    mine = load(client, TEMPO)

    choice = chosen(home, stack, own, Images.AUTO)

    assert origins(choice) == {"tempo": "loaded image", "loki": "stand-in (recorded)"}
    assert choice.reason.startswith(f"stand-ins for loki, because {LOKI} cannot be pulled: ")
    assert origins(chosen(home, stack, own, Images.STANDIN)) == {
        "tempo": "stand-in (recorded)",
        "loki": "stand-in (recorded)",
    }
    assert image_of(client, TEMPO) == mine


def test_a_registry_that_does_not_answer_is_not_waited_for(
    home: Home, stack: Stack, own: Engine, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendor_images, "ASK_SECONDS", 1)
    registry.silent_on = "/v2/"

    choice = chosen(home, stack, own, Images.AUTO)

    assert choice.of(Source.STANDIN) == ["tempo", "loki"]
    assert choice.reason.endswith("cannot be pulled: no answer from the registry within 1 s")


@pytest.mark.usefixtures("client")
def test_a_registry_that_falls_silent_during_a_pull_makes_stand_ins_or_ends_it(
    home: Home, stack: Stack, own: Engine, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendor_images, "SILENT_SECONDS", 1)
    registry.silent_on = digest_of(registry.images[TEMPO].layers[0])

    choice = chosen(home, stack, own, Images.AUTO)

    assert choice.of(Source.STANDIN) == ["tempo", "loki"]
    assert choice.reason.endswith("cannot be pulled: the registry has been silent for 1 s")
    with pytest.raises(PermanentError, match=f"^{TEMPO} cannot be pulled: the registry has been silent"):
        chosen(home, stack, own, Images.VENDOR)


def test_vendor_images_that_cannot_be_pulled_are_one_clear_line(
    home: Home, stack: Stack, own: Engine, registry: Registry
) -> None:
    registry.images = {LOKI: small_image("loki")}
    with pytest.raises(PermanentError) as caught:
        chosen(home, stack, own, Images.VENDOR)
    assert str(caught.value).startswith(f"{TEMPO} cannot be pulled: ")
    assert "\n" not in str(caught.value)
    assert "`--images standin`" in str(caught.value)


@pytest.mark.parametrize("name", [TEMPO, f"docker.io/{TEMPO}"])
def test_a_dockerfile_that_takes_no_registry_gets_its_stand_in_under_the_vendors_name(
    home: Home, stack: Stack, own: Engine, client: docker.DockerClient, name: str
) -> None:
    write(stack.directory, "tempo", f"FROM {name}\n")
    choice = chosen(home, stack, own, Images.STANDIN)
    arguments = standin_arguments(home, stack, files(stack), choice, own_engine=True)
    assert arguments["tempo"] == {}
    assert arguments["loki"] == {"BASE_REGISTRY": home.base_registry(10.0)}

    ensure_standins(home, client, choice, arguments, silent)

    assert image_of(client, TEMPO) == image_of(client, f"{home.base_registry(10.0)}/{TEMPO}")
    assert image_of(client, TEMPO) == image_of(client, f"docker.io/{TEMPO}")
    # It is no vendor's image: the next choice does not take it for one, whichever name it is asked for by.
    write(stack.directory, "tempo", f"FROM {TEMPO}\n")
    assert origins(chosen(home, stack, own, Images.AUTO)) == {"tempo": "vendor image", "loki": "vendor image"}


def test_an_image_that_the_sandbox_pulled_gives_its_name_to_a_stand_in(
    home: Home, stack: Stack, own: Engine, client: docker.DockerClient, registry: Registry
) -> None:
    write(stack.directory, "tempo", f"FROM {TEMPO}\n")
    assert origins(chosen(home, stack, own, Images.AUTO))["tempo"] == "vendor image"
    client.images.remove(LOKI, force=True)
    registry.images = {}
    choice = chosen(home, stack, own, Images.AUTO)
    arguments = standin_arguments(home, stack, files(stack), choice, own_engine=True)

    ensure_standins(home, client, choice, arguments, silent)

    assert choice.of(Source.STANDIN) == ["tempo", "loki"]
    assert image_of(client, TEMPO) == image_of(client, f"{home.base_registry(10.0)}/{TEMPO}")


def test_a_persons_image_is_not_overwritten_by_a_stand_in(
    home: Home, stack: Stack, own: Engine, client: docker.DockerClient
) -> None:
    write(stack.directory, "tempo", f"FROM {TEMPO}\n")
    mine = load(client, TEMPO)
    choice = chosen(home, stack, own, Images.STANDIN)
    arguments = standin_arguments(home, stack, files(stack), choice, own_engine=True)
    with pytest.raises(PermanentError, match=f"has an image {TEMPO}, which a stand-in cannot replace"):
        ensure_standins(home, client, choice, arguments, silent)
    assert image_of(client, TEMPO) == mine


def test_in_an_engine_of_the_user_no_stand_in_takes_the_vendors_name(home: Home, stack: Stack) -> None:
    write(stack.directory, "tempo", f"FROM {TEMPO}\n")
    standin = BaseImage(source=Source.STANDIN, reference=TEMPO)
    choice = Choice(images={"tempo": standin}, reason="", factor=10.0)
    with pytest.raises(PermanentError, match="in your Docker Engine no stand-in gets the vendor's name"):
        standin_arguments(home, stack, files(stack), choice, own_engine=False)


def test_a_mirror_that_the_engine_does_not_take_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "RELOAD_SECONDS", 1.0)
    monkeypatch.setenv(engine.MIRROR_VARIABLE, "ftp://127.0.0.1")
    with pytest.raises(UsageError, match="does not take the registry mirror 'ftp:"):
        engine.ensure_engine(home, silent)
