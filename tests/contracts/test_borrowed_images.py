"""An image that is pulled for a trial only goes again, also when the process that pulled it was killed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from docker.errors import ImageNotFound

from lgtm_deploy.adapters.docker import connect
from lgtm_deploy.adapters.docker_leavings import Identity, Leavings
from lgtm_deploy.core.errors import InterruptedRunError

if TYPE_CHECKING:
    from tests.contracts.sandbox_world import SandboxWorld

pytestmark = pytest.mark.sandbox


def pushed(world: SandboxWorld) -> tuple[str, str]:
    """A repository, and the digest of an image in it that the engine does not have any more."""
    repository = world.repository(immutable=True)
    image = world.builder.build(world.context("FROM scratch\nCOPY content /\n"), {}, lambda _: None).id
    digest = world.registry.push(image, repository, "v1", lambda _: None)
    engine = connect()
    engine.images.remove(image, force=True)
    engine.close()
    return repository, digest


def is_there(reference: str) -> bool:
    engine = connect()
    try:
        engine.images.get(reference)
    except ImageNotFound:
        return False
    finally:
        engine.close()
    return True


def test_a_pulled_image_goes_and_one_that_two_need_stays_until_both_are_done(sandbox_world: SandboxWorld) -> None:
    repository, digest = pushed(sandbox_world)
    reference = sandbox_world.registry.reference(repository, digest)

    with sandbox_world.registry.pulled(repository, digest, lambda _: None):
        with sandbox_world.registry.pulled(repository, digest, lambda _: None):
            assert is_there(reference)
        assert is_there(reference)

    assert not is_there(reference)


def test_it_goes_when_the_trial_is_stopped(sandbox_world: SandboxWorld) -> None:
    repository, digest = pushed(sandbox_world)

    with (
        pytest.raises(InterruptedRunError),
        sandbox_world.registry.pulled(repository, digest, lambda _: None),
    ):
        raise InterruptedRunError("Stopped.")

    assert not is_there(sandbox_world.registry.reference(repository, digest))


def test_it_goes_with_the_next_trial_when_its_process_was_killed(sandbox_world: SandboxWorld) -> None:
    repository, digest = pushed(sandbox_world)
    reference = sandbox_world.registry.reference(repository, digest)
    # Gone for this test only: releases of other tests sweep this engine, too.
    killed = f"killed-{uuid.uuid4().hex}"
    engine = connect()
    Leavings(engine, Identity(name=killed)).borrow(reference)
    engine.images.pull(reference, auth_config={"username": "AWS", "password": "test"})
    assert is_there(reference)

    Leavings(engine, Identity(name=uuid.uuid4().hex, is_gone=killed.__eq__)).sweep()

    assert not is_there(reference)
    engine.close()
