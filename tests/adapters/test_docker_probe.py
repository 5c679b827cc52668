"""What a trial tells an engine, and what it makes of what the engine says."""

import socket
from collections.abc import Iterator

import pytest

from lgtm_deploy.adapters.docker_leavings import Identity
from lgtm_deploy.adapters.docker_probe import DockerProbe
from lgtm_deploy.core.ports import ContainerSpec
from tests.adapters.engine import StubEngine


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
