"""The worlds that contracts are tried on: the fakes always, the real adapters on the local AWS where it is marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lgtm_deploy.storage.process import Process
from tests.contracts.memories import FakeMemory, LocalMemory, Memory, stopped_process
from tests.contracts.world import DYING, GOOD, MOVED, NEW, FakeWorld, World

if TYPE_CHECKING:
    from tests.contracts.sandbox_world import SandboxWorld


@pytest.fixture(scope="session")
def sandbox_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxWorld]:
    """The one place where the real side of the contracts comes from: a sandbox of this session's own, as in
    tests/shim; it needs DOCKER_HOST and LGTM_DEPLOY_MINISTACK_PYTHON."""
    from tests.contracts.sandbox_world import SandboxWorld
    from tests.shim.cloud import ACCOUNT, Cloud, compile_server, running

    folder = tmp_path_factory.mktemp("contracts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with running(Cloud(directory=folder)) as cloud:
            server = compile_server(folder)
            cloud.push(server, "app", GOOD, MARK=GOOD, DEFAULT=200)
            cloud.push(server, "app", NEW, MARK=NEW, DEFAULT=200)
            cloud.push(server, "app", MOVED, MARK=MOVED, ROUTES="/moved/ready=200", DEFAULT=404)
            cloud.push(server, "app", DYING, MARK=DYING, EXIT_AFTER=0, EXIT_CODE=3)
            world = SandboxWorld(cloud, folder)
            yield world
        # Only now does nothing run any more that holds an image.
        world.clean()


@pytest.fixture(params=["fake", pytest.param("sandbox", marks=pytest.mark.sandbox)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Every test that takes this runs on both sides."""
    if request.param == "fake":
        return FakeWorld(tmp_path)
    found: World = request.getfixturevalue("sandbox_world")
    return found


@pytest.fixture(scope="session")
def stopped() -> Iterator[Process]:
    with stopped_process() as process:
        yield process


@pytest.fixture(params=["fake", "local"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """Every test that takes this runs on each kind of memory."""
    if request.param == "fake":
        yield FakeMemory()
    else:
        local = LocalMemory(tmp_path / "state" / "journal.db", request.getfixturevalue("stopped"))
        yield local
        local.close()
