"""The worlds that contracts are tried on: the fakes always, the real adapters on the local AWS where it is marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lgtm_deploy.core.ports import ObjectStore
from lgtm_deploy.fakes import FakeObjects
from lgtm_deploy.storage.process import Process
from tests.contracts.memories import (
    BUCKET,
    Bucket,
    FakeMemory,
    LocalMemory,
    Memory,
    S3Memory,
    SharedMemory,
    stopped_process,
)
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


@pytest.fixture(params=["fake", "local", "shared", pytest.param("s3", marks=pytest.mark.sandbox)])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """Every test that takes this runs on each kind of memory."""
    if request.param == "fake":
        yield FakeMemory()
    elif request.param == "shared":
        yield SharedMemory()
    elif request.param == "s3":
        yield S3Memory(request.getfixturevalue("bucket").folder)
    else:
        local = LocalMemory(tmp_path / "state" / "journal.db", request.getfixturevalue("stopped"))
        yield local
        local.close()


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket of a local AWS of this session's own."""
    from tests.shim.cloud import ACCOUNT, Cloud, running

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", ACCOUNT)
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        with running(Cloud(directory=tmp_path_factory.mktemp("bucket"))) as cloud:
            cloud.client("s3").create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
            yield Bucket(endpoint=f"http://127.0.0.1:{cloud.port}")


@pytest.fixture(params=["fake", pytest.param("s3", marks=pytest.mark.sandbox)])
def objects(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "fake":
        return FakeObjects()
    found: Bucket = request.getfixturevalue("bucket")
    return found.folder()
