"""A Docker Engine that was killed is found, and nothing that it left behind runs on."""

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.sandbox import child, engine, lifecycle
from lgtm_deploy.sandbox import connection as sandbox_connection
from lgtm_deploy.sandbox.connection import Connection, connect, save
from lgtm_deploy.sandbox.engine import Engine, engine_held, find_engine
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.image_choice import Choice
from tests.conftest import silent
from tests.shim.cloud import compile_server

CHOICE = Choice(images={}, reason="stand-ins, as asked", factor=10.0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr(engine, "DEFAULT_SOCKET", "unix:///nowhere")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    # As if the local AWS of each sandbox ran.
    monkeypatch.setattr(sandbox_connection, "recorded", lambda _record: True)
    home = Home(path=tmp_path / "home")
    yield home
    lifecycle.remove(home, silent)


def connection(home: Home, docker_host: str) -> Connection:
    return Connection(
        name="default",
        endpoint="http://127.0.0.1:1",
        region="eu-west-1",
        account="1",
        load_balancer_url="http://127.0.0.1:2",
        docker_host=docker_host,
        build_args={},
        environment={},
        records=home.path / "records.jsonl",
        choice=CHOICE,
    )


def start_container(running: Engine, server: Path) -> child.Child:
    """Start a container that runs until it is ended, and return its process."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(server, "server")
    with closing(running.client()) as client:
        client.api.import_image_from_data(content.getvalue(), repository="test", tag="1")
        variables = {"MARK": "x", "DEFAULT": "200"}
        container = client.containers.run("test:1", ["/server"], environment=variables, detach=True)
        pid = client.api.inspect_container(container.id)["State"]["Pid"]
        return child.of_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("cloud", "of_engine", "is_up"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_a_sandbox_is_up_only_while_its_engine_answers(
    home: Home, monkeypatch: pytest.MonkeyPatch, cloud: bool, of_engine: bool, is_up: bool
) -> None:
    place = home.place("default")
    place.path.mkdir(parents=True)
    save(place, connection(home, "unix:///engine"))
    monkeypatch.setattr(lifecycle, "is_healthy", lambda _port: cloud)
    monkeypatch.setattr(lifecycle, "answers", lambda address: of_engine and address == "unix:///engine")

    status = lifecycle.status(home, "default")

    assert (status.is_up, status.answers, status.engine_answers) == (is_up, cloud, of_engine)


@pytest.mark.sandbox
@pytest.mark.timeout(300)
def test_tasks_of_an_engine_that_was_killed_end_before_the_next_one_starts(home: Home, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start dockerd")
    server = compile_server(tmp_path)
    with engine_held(home, silent) as first:
        task = start_container(first, server)
        dockerd = child.recorded(engine._record(home))
        assert dockerd is not None
        dockerd.kill(silent)
        assert find_engine(home) is None
        assert task.runs()
        save(home.place("default"), connection(home, first.docker_host))
        with pytest.raises(NotFoundError, match="The sandbox 'default' is not up: its Docker Engine does not answer"):
            connect(home, "default")

        with engine_held(home, silent) as second:
            assert second.docker_host != first.docker_host
            assert not task.runs()
            with closing(second.client()) as client:
                [container] = client.containers.list(all=True)
                assert container.status == "exited"
        assert not Path(first.docker_host.removeprefix("unix://")).parent.exists()
