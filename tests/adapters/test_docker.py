"""The engine that is not there, and BuildKit through a `docker` that only writes down what it is told."""

import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import docker
import pytest

from lgtm_deploy.adapters import docker as adapter
from lgtm_deploy.adapters.docker import DockerBuilder, connect, has_buildx
from lgtm_deploy.adapters.docker_push import Destination, push_image
from lgtm_deploy.core.errors import InterruptedRunError, LockLostError, MissingToolError, PermanentError
from lgtm_deploy.core.ports import BuildRequest

STAND_IN = """#!{python}
import json, os, pathlib, sys, time
here = pathlib.Path(__file__).parent
if sys.argv[1:] == ["buildx", "version"]:
    sys.exit(int((here / "has-no-buildx").exists()))
told = {{"arguments": sys.argv[1:], "environment": dict(os.environ), "context": len(sys.stdin.buffer.read())}}
told["configuration"] = json.loads(pathlib.Path(os.environ["DOCKER_CONFIG"], "config.json").read_text())
(here / "told.json").write_text(json.dumps(told))
print("#5 [2/2] RUN something", file=sys.stderr, flush=True)
if (here / "slow").exists():
    time.sleep(60)
if (here / "broken").exists():
    print("ERROR: process did not complete: exit code: 1", file=sys.stderr)
    sys.exit(1)
for argument in sys.argv:
    if argument.startswith("--iidfile="):
        pathlib.Path(argument.partition("=")[2]).write_text("sha256:aa")
"""


class Engine:
    """As much of an engine as a BuildKit build asks for."""

    class api:  # noqa: N801 - docker-py's name
        @staticmethod
        def inspect_image(image: str) -> dict[str, Any]:
            return {"Id": image, "Size": 12}


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(STAND_IN.format(python=sys.executable))
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return BuildRequest(context=folder, dockerfile="Dockerfile", build_args={"TOKEN": "canary"}, platform="linux/arm64")


def builder() -> DockerBuilder:
    engine: docker.DockerClient = Engine()  # type: ignore[assignment]
    return DockerBuilder(engine, buildkit=True, docker_host="unix:///engine.sock")


def test_no_engine_is_a_missing_tool_with_advice(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match=r"No Docker Engine answers at unix://.* Start Docker"):
        connect(f"unix://{tmp_path}/none.sock")


def test_no_permission_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(adapter, "_knock", refuse)
    with pytest.raises(MissingToolError, match="No permission"):
        connect("unix:///run/docker.sock")


def test_something_else_on_the_socket_is_no_engine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(MissingToolError):
            connect(f"unix://{tmp_path}/s")


def test_buildx_is_found_where_it_works(command: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_buildx()
    (command / "has-no-buildx").touch()
    assert not has_buildx()
    monkeypatch.setenv("PATH", str(command / "empty"))
    assert not has_buildx()


def test_buildkit_gets_the_context_and_all_that_is_asked(command: Path, request_: BuildRequest) -> None:
    told: list[str] = []

    built = builder().build(request_, {"who": "me"}, told.append)

    asked = json.loads((command / "told.json").read_text())
    assert (built.id, built.size) == ("sha256:aa", 12)
    assert asked["arguments"][:3] == ["buildx", "build", "--load"]
    assert {"--platform=linux/arm64", "--file=Dockerfile", "--label=who=me", "--build-arg=TOKEN", "-"} <= set(
        asked["arguments"]
    )
    assert asked["context"] > 0
    assert asked["environment"]["DOCKER_HOST"] == "unix:///engine.sock"
    assert "#5 [2/2] RUN something" in told


def test_no_file_has_the_context_while_it_is_built(
    command: Path, request_: BuildRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request_.context / "tempo.yaml").write_text("what is built")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    seen: set[str] = set()

    def look(_: str) -> None:
        seen.update(file.name for file in temporary.rglob("*") if file.is_file())

    builder().build(request_, {}, look)

    asked = json.loads((command / "told.json").read_text())
    assert asked["context"] > len("what is built")
    assert seen <= {"config.json", "image"}
    assert "config.json" in seen


def test_values_of_arguments_are_not_in_the_process_list(command: Path, request_: BuildRequest) -> None:
    builder().build(request_, {}, lambda _: None)

    asked = json.loads((command / "told.json").read_text())
    assert not any("canary" in argument for argument in asked["arguments"])
    assert asked["environment"]["TOKEN"] == "canary"


def test_the_users_docker_configuration_is_not_used_but_for_plugins(command: Path, request_: BuildRequest) -> None:
    builder().build(request_, {}, lambda _: None)

    asked = json.loads((command / "told.json").read_text())
    assert asked["environment"]["DOCKER_CONFIG"] != str(Path.home() / ".docker")
    assert list(asked["configuration"]) == ["cliPluginsExtraDirs"]


def test_a_failing_build_tells_its_last_lines(command: Path, request_: BuildRequest) -> None:
    (command / "broken").touch()
    with pytest.raises(PermanentError, match=r"failed: #5 .*RUN something \| ERROR: process did not complete"):
        builder().build(request_, {}, lambda _: None)


def test_a_stopped_build_lets_the_error_through(command: Path, request_: BuildRequest) -> None:
    def stop(line: str) -> None:
        if line:
            raise InterruptedRunError("Stopped.")

    (command / "slow").touch()
    with pytest.raises(InterruptedRunError):
        builder().build(request_, {}, stop)


def test_a_push_that_may_not_begin_any_more_is_not_sent() -> None:
    sent: list[str] = []

    class Pusher:
        class api:  # noqa: N801 - docker-py's name
            @staticmethod
            def tag(*_: str, **__: bool) -> None:
                """Only this machine knows of it."""

            @staticmethod
            def push(repository: str, **_: object) -> list[dict[str, str]]:
                sent.append(repository)
                return []

    def lost(_: str) -> None:
        raise LockLostError("Run 7f3a no longer holds environment 'prod'.")

    to = Destination(repository="registry/lgtm-tempo", tag="v1", credentials={})
    with pytest.raises(LockLostError):
        push_image(Pusher(), "sha256:aa", to, lost)  # type: ignore[arg-type]

    assert sent == []
