"""What everything that tries images out promises."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lgtm_deploy.core.errors import NotFoundError, TransientError
from lgtm_deploy.core.ports import Answer, ContainerSpec, RunningImage
from tests.contracts.world import DYING, GOOD, MOVED, PORT, REPOSITORY, World


@contextmanager
def started(world: World, image: str, spec: ContainerSpec | None = None) -> Iterator[RunningImage]:
    """An image of the registry, started."""
    with (
        world.registry.pulled(REPOSITORY, world.digest(image), lambda _: None) as found,
        world.image_probe.start(found, spec or ContainerSpec(), PORT, lambda _: None) as running,
    ):
        yield running


def answer(world: World, running: RunningImage, path: str, *, method: str = "GET", send: str = "") -> Answer:
    """What it answers, as soon as it answers at all."""

    def look() -> Answer | None:
        try:
            return running.ask(path, method=method, send=send, tenant="demo")
        except TransientError:
            return None

    found = world.wait(look, f"an answer on {path}")
    assert found is not None
    return found


def test_a_started_image_answers_by_path(world: World) -> None:
    with started(world, MOVED) as running:
        assert answer(world, running, "/moved/ready").status == 200
        assert answer(world, running, "/ready").status == 404
        assert answer(world, running, "/moved/ready", method="POST", send="{}").status == 200
        assert running.ended() is None


def test_two_images_are_asked_side_by_side(world: World) -> None:
    with started(world, GOOD) as one, started(world, MOVED) as other:
        assert answer(world, one, "/x").status == 200
        assert answer(world, other, "/x").status == 404


def test_an_image_that_ends_says_how_and_does_not_answer(world: World) -> None:
    with started(world, DYING) as running:
        ended = world.wait(running.ended, "the end")

        assert ended is not None
        assert (ended.exit_code, ended.out_of_memory) == (3, False)
        assert ended.log[-1] == "last words of dying"
        assert running.log() == ended.log
        with pytest.raises(TransientError):
            running.ask("/x")


def test_a_secret_has_the_value_of_the_callers_variable_or_none(world: World) -> None:
    spec = ContainerSpec(environment={"PLAIN": "1"}, secrets=("KNOWN", "UNKNOWN"))

    with started(world, GOOD, spec) as running:
        assert {"PLAIN", "KNOWN"} <= running.variables
        assert "UNKNOWN" not in running.variables
    assert world.image_probe.unknown(spec.secrets) == ("UNKNOWN",)


def test_an_image_that_is_nowhere_cannot_be_started(world: World) -> None:
    with (
        pytest.raises(NotFoundError),
        world.image_probe.start("sha256:" + "0" * 64, ContainerSpec(), PORT, lambda _: None),
    ):
        pass
