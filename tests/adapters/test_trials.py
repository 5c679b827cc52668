"""No trial leaves anything in the engine, however it ends."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from lgtm_deploy.adapters.docker import connect
from lgtm_deploy.adapters.docker_leavings import PROCESS_LABEL, Identity
from lgtm_deploy.adapters.docker_probe import DockerProbe
from lgtm_deploy.adapters.docker_pull import borrowed
from lgtm_deploy.core.errors import InterruptedRunError, PermanentError
from lgtm_deploy.core.ports import ContainerSpec, Ulimit
from lgtm_deploy.storage.process import has_ended
from tests.shim.cloud import compile_server

pytestmark = pytest.mark.sandbox
PORT = 8080
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    found = connect()
    yield found
    found.close()


@pytest.fixture(scope="module")
def image(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small server that answers 200 to everything."""
    server = compile_server(tmp_path_factory.mktemp("trials")).read_bytes()
    dockerfile = b'FROM scratch\nCOPY server /server\nENV DEFAULT=200 MARK=here\nENTRYPOINT ["/server"]\n'
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as context:
        for name, content in (("Dockerfile", dockerfile), ("server", server)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            context.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    built, _ = engine.images.build(fileobj=packed, custom_context=True, forcerm=True)
    yield str(built.id)
    engine.images.remove(str(built.id), force=True)


@pytest.fixture
def me() -> Identity:
    """A process of this test's own, which counts processes as gone by what the kernel says."""
    return Identity(name=uuid.uuid4().hex, is_gone=has_ended)


def left(engine: docker.DockerClient, process: str) -> list[str]:
    """Containers, networks and notes of that process. A release of another test may be removing them meanwhile."""
    filters = {"label": f"{PROCESS_LABEL}={process}"}
    containers = [str(found.id) for found in engine.containers.list(all=True, filters=filters, sparse=True)]
    networks = [str(found.name) for found in engine.networks.list(filters=filters)]
    return [*containers, *networks, *(str(found.name) for found in engine.volumes.list(filters=filters))]


def answers(probe: DockerProbe, engine: docker.DockerClient, image: str, me: Identity) -> None:
    with probe.start(image, ContainerSpec(), PORT, lambda _: None) as running:
        assert len(left(engine, me.name)) == 2
        assert running.ask("/x").status == 200


def test_after_a_trial_nothing_is_left(engine: docker.DockerClient, image: str, me: Identity) -> None:
    answers(DockerProbe(engine, me), engine, image, me)

    assert left(engine, me.name) == []
    assert engine.images.get(image)


@pytest.mark.parametrize("error", [InterruptedRunError("Stopped."), KeyboardInterrupt(), ValueError("a defect")])
def test_whatever_is_raised_in_a_trial_nothing_is_left(
    engine: docker.DockerClient, image: str, me: Identity, error: BaseException
) -> None:
    with (
        pytest.raises(type(error)),
        DockerProbe(engine, me).start(image, ContainerSpec(), PORT, lambda _: None),
    ):
        raise error

    assert left(engine, me.name) == []


@pytest.mark.parametrize("calls", [1, 2])
def test_progress_can_stop_a_trial_while_it_starts(
    engine: docker.DockerClient, image: str, me: Identity, calls: int
) -> None:
    told: list[str] = []

    def stop(text: str) -> None:
        told.append(text)
        if len(told) == calls:
            raise InterruptedRunError("Stopped.")

    with (
        pytest.raises(InterruptedRunError),
        DockerProbe(engine, me).start(image, ContainerSpec(), PORT, stop),
    ):
        pass

    assert left(engine, me.name) == []


def test_an_image_that_exits_leaves_nothing(engine: docker.DockerClient, image: str, me: Identity) -> None:
    probe = DockerProbe(engine, me, {"MARK": "topsecret"})
    spec = ContainerSpec(environment={"EXIT_AFTER": "0", "EXIT_CODE": "3"}, secrets=("MARK",))

    with probe.start(image, spec, PORT, lambda _: None) as running:
        deadline = time.monotonic() + 30
        while (ended := running.ended()) is None and time.monotonic() < deadline:
            probe.pause(0.1)

    assert ended is not None
    assert ended.exit_code == 3
    assert ended.log[-1] == "last words of ***"
    assert left(engine, me.name) == []


def test_a_program_that_is_not_there_cannot_be_started(engine: docker.DockerClient, image: str, me: Identity) -> None:
    with (
        pytest.raises(PermanentError, match="cannot be started"),
        DockerProbe(engine, me).start(image, ContainerSpec(entry_point=("/nothing",)), PORT, lambda _: None),
    ):
        pass

    assert left(engine, me.name) == []


def test_a_container_has_the_task_definitions_limits(engine: docker.DockerClient, image: str, me: Identity) -> None:
    spec = ContainerSpec(
        memory=64,
        cpu=256,
        user="10001",
        read_only=True,
        working_directory="/tmp",
        ulimits=(Ulimit(name="nofile", soft=100, hard=200),),
        mounts=("/data",),
    )

    with DockerProbe(engine, me).start(image, spec, PORT, lambda _: None):
        [container] = engine.containers.list(filters={"label": f"{PROCESS_LABEL}={me.name}"})
        [network] = engine.networks.list(filters={"label": f"{PROCESS_LABEL}={me.name}"})
        found = container.attrs

    host = found["HostConfig"]
    assert (host["Memory"], host["CpuShares"], host["ReadonlyRootfs"]) == (64 * 1024 * 1024, 256, True)
    assert host["Ulimits"] == [{"Name": "nofile", "Soft": 100, "Hard": 200}]
    assert (found["Config"]["User"], found["Config"]["WorkingDir"]) == ("10001", "/tmp")
    assert [mount["Destination"] for mount in found["Mounts"]] == ["/data"]
    assert host["PortBindings"] in (None, {})
    assert network.attrs["Internal"] is True
    assert left(engine, me.name) == []


def test_where_addresses_cannot_be_reached_a_port_of_this_machine_is_published(
    engine: docker.DockerClient, image: str, me: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DockerProbe, "_reaches", lambda *_: False)
    probe = DockerProbe(engine, me)

    with probe.start(image, ContainerSpec(), PORT, lambda _: None) as running:
        [container] = engine.containers.list(filters={"label": f"{PROCESS_LABEL}={me.name}"})
        [binding] = container.attrs["HostConfig"]["PortBindings"][f"{PORT}/tcp"]
        assert binding["HostIp"] == "127.0.0.1"
        assert running.ask("/x").status == 200
        assert len(left(engine, me.name)) == 2

    assert left(engine, me.name) == []


def test_an_interrupted_process_leaves_nothing(engine: docker.DockerClient, image: str) -> None:
    child, process = trying(image)

    child.send_signal(signal.SIGINT)
    child.wait(timeout=60)

    assert left(engine, process) == []


def test_what_a_killed_process_left_goes_with_the_next_trial(
    engine: docker.DockerClient, image: str, me: Identity
) -> None:
    child, process = trying(image)
    assert len(left(engine, process)) == 2
    child.kill()
    child.wait(timeout=60)

    answers(DockerProbe(engine, me), engine, image, me)

    assert left(engine, process) == []


def test_a_process_that_lives_keeps_its_trial(engine: docker.DockerClient, image: str, me: Identity) -> None:
    child, process = trying(image)
    try:
        answers(DockerProbe(engine, me), engine, image, me)
        assert len(left(engine, process)) == 2
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(timeout=60)


def test_an_image_that_was_there_stays(engine: docker.DockerClient, image: str, me: Identity) -> None:
    from lgtm_deploy.adapters.docker_leavings import Leavings

    with borrowed(engine, Leavings(engine, me), image, dict, lambda _: None) as found:
        assert found == image

    assert engine.images.get(image)
    assert left(engine, me.name) == []


def trying(image: str) -> tuple[subprocess.Popen[str], str]:
    """A process in the middle of a trial, and who it is."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.trials", image],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    process = child.stdout.readline().strip()
    child.stdout.close()
    assert process, "the process did not get into its trial"
    return child, process
