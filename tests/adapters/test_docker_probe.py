"""What a trial tells an engine, and what it makes of what the engine says."""

import socket
from collections.abc import Iterator

import pytest

from lgtm_deploy.adapters.docker_leavings import Identity
from lgtm_deploy.adapters.docker_probe import DockerProbe
from lgtm_deploy.core.errors import MissingToolError
from lgtm_deploy.core.ports import ContainerSpec
from tests.adapters.engine import StubEngine, refusal


@pytest.fixture
def engine() -> StubEngine:
    return StubEngine()


@pytest.fixture
def port() -> Iterator[int]:
    """Where something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_trial_never_gets_the_callers_own_credentials(engine: StubEngine, port: int) -> None:
    mine = {"AWS_SECRET_ACCESS_KEY": "the deployer's own", "AWS_SESSION_TOKEN": "its session's", "TOKEN": "for trials"}
    probe = DockerProbe(engine, Identity(), mine)
    spec = ContainerSpec(environment={"AWS_REGION": "eu-west-1"}, secrets=tuple(mine))

    with probe.start("sha256:new", spec, port, lambda _: None):
        assert engine.created[0]["environment"] == {"AWS_REGION": "eu-west-1", "TOKEN": "for trials"}
    assert probe.unknown(spec.secrets) == ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


@pytest.mark.parametrize(
    ("secret", "log", "last"),
    [
        ("hunter22", b"token hunter22 refused", "token *** refused"),
        ("hunter22\n", b"token hunter22 refused", "token *** refused"),
        ("-----BEGIN KEY-----\nMIIEvQIBADANBg\n", b"cannot parse MIIEvQIBADANBg", "cannot parse ***"),
        ("  first part\r\nsecond part", b"first part | second part", "*** | ***"),
        ("abcd\nabcdefgh", b"abcdefgh", "***"),
        ("x" * 400, b"x" * 400, "***"),
        ("line\nab", b"line ab", "*** ab"),
    ],
)
def test_a_secret_is_hushed_line_by_line_as_logs_show_it(
    engine: StubEngine, port: int, secret: str, log: bytes, last: str
) -> None:
    engine.state, engine.log = {"Running": False, "ExitCode": 1}, log
    probe = DockerProbe(engine, Identity(), {"TOKEN": secret})

    with probe.start("sha256:new", ContainerSpec(secrets=("TOKEN",)), port, lambda _: None) as running:
        ended = running.ended()

    assert ended is not None
    assert ended.log == (last,)


@pytest.fixture
def far(engine: StubEngine, monkeypatch: pytest.MonkeyPatch) -> StubEngine:
    """An engine whose containers have no address that can be reached from here."""
    monkeypatch.setattr(DockerProbe, "_reaches", lambda *_: False)
    monkeypatch.setattr("lgtm_deploy.adapters.docker_probe.PUBLISH_EVERY", 0.01)
    monkeypatch.setattr("lgtm_deploy.adapters.docker_probe.PUBLISH_SECONDS", 0.05)
    return engine


def free_port() -> int:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_an_engine_whose_containers_cannot_be_reached_is_this_machines_lack(far: StubEngine) -> None:
    far.bound = [{"HostIp": "127.0.0.1", "HostPort": str(free_port())}]
    probe = DockerProbe(far, Identity(), {"DOCKER_HOST": "tcp://builder.internal:2375"})

    with (
        pytest.raises(MissingToolError, match=r"Engine at tcp://builder.internal:2375 cannot be reached from here"),
        probe.start("sha256:new", ContainerSpec(), 8080, lambda _: None),
    ):
        pass


@pytest.mark.parametrize("runs", [True, False])
def test_a_published_port_that_listens_or_a_container_that_has_ended_is_no_lack(
    far: StubEngine, port: int, runs: bool
) -> None:
    far.bound = [{"HostIp": "127.0.0.1", "HostPort": str(port if runs else free_port())}]
    far.state = {"Running": runs, "ExitCode": 1}

    with DockerProbe(far, Identity(), {}).start("sha256:new", ContainerSpec(), 8080, lambda _: None) as running:
        assert (running.ended() is None) is runs


def test_an_image_for_another_processor_is_this_machines_lack(engine: StubEngine, port: int) -> None:
    engine.state, engine.log = {"Running": False, "ExitCode": 255}, b"exec /tempo: exec format error"
    engine.architectures["image"] = "arm64"

    with (
        pytest.raises(MissingToolError, match="made for arm64, and this machine's Docker Engine runs amd64"),
        DockerProbe(engine, Identity(), {}).start("sha256:new", ContainerSpec(), port, lambda _: None) as running,
    ):
        running.ended()


def test_an_engine_that_cannot_even_start_it_says_the_same(engine: StubEngine, port: int) -> None:
    engine.start_error = refusal(400, "OCI runtime create failed: exec format error")
    engine.architectures["image"] = "arm64"

    with (
        pytest.raises(MissingToolError, match="made for arm64"),
        DockerProbe(engine, Identity(), {}).start("sha256:new", ContainerSpec(), port, lambda _: None),
    ):
        pass


def test_a_program_that_is_none_for_this_very_processor_is_the_images_fault(engine: StubEngine, port: int) -> None:
    engine.state, engine.log = {"Running": False, "ExitCode": 255}, b"exec /tempo: exec format error"

    with DockerProbe(engine, Identity(), {}).start("sha256:new", ContainerSpec(), port, lambda _: None) as running:
        ended = running.ended()

    assert ended is not None
    assert ended.log == ("exec /tempo: exec format error",)
