"""The machine and the sandbox that tests of the outside world share: started once per session and worker."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.engine import Engine
from lgtm_deploy.sandbox.home import HOME_VARIABLE, NAME_VARIABLE, Home
from lgtm_deploy.sandbox.image_choice import IMAGES_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "lgtm-stack"

# The same examples wherever they run, and none too slow: a machine may be busy.
settings.register_profile("any", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


# The same sandbox wherever they run, whether a registry can be reached or not.
os.environ.setdefault(IMAGES_VARIABLE, "standin")

# Behind a proxy, too, tests reach their own servers.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost")))


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An engine that answers, and the Python that has MiniStack."""

    home: Home
    engine: Engine
    ministack: Path


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """The engine stays until the session ends; DOCKER_HOST and LGTM_DEPLOY_MINISTACK_PYTHON say where things are."""
    from lgtm_deploy.sandbox.engine import engine_held
    from lgtm_deploy.sandbox.installation import ensure_ministack

    home = Home(path=Path(os.environ.get(HOME_VARIABLE) or EXAMPLE / ".lgtm-deploy" / "sandbox").absolute())
    with engine_held(home, silent) as engine, pytest.MonkeyPatch.context() as patch:
        python = ensure_ministack(home, silent)
        patch.setenv(HOME_VARIABLE, str(home.path))
        patch.setenv("DOCKER_HOST", engine.docker_host)
        patch.setenv("LGTM_DEPLOY_MINISTACK_PYTHON", str(python))
        yield Machine(home=home, engine=engine, ministack=python)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Programs that tests start can be interrupted, as those of the tool can: it handles the signal itself. What a
    shell starts in the background ignores it, and so would all that it starts."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is only run when it is asked for by name."""
    for mark in ("torture", "acceptance"):
        if mark not in config.option.markexpr:
            config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker(mark)])
            items[:] = [item for item in items if not item.get_closest_marker(mark)]


@pytest.fixture(scope="session", autouse=True)
def outside_world(request: pytest.FixtureRequest) -> None:
    """Every test that needs an engine finds one: started only when such a test was chosen."""
    if any(item.get_closest_marker("sandbox") or item.get_closest_marker("e2e") for item in request.session.items):
        request.getfixturevalue("machine")


@pytest.fixture(scope="session")
def example() -> Stack:
    """The example stack in its sandbox environment."""
    from lgtm_deploy.config.stack_file import load

    return load(EXAMPLE / "lgtm-deploy.yaml", "sandbox")


@pytest.fixture(scope="session")
def sandbox(machine: Machine, example: Stack) -> Iterator[Connection]:
    """A running sandbox with what runs today, under a name and on ports of this worker's own.

    LGTM_DEPLOY_SANDBOX names it for command lines that tests run.
    """
    from lgtm_deploy.sandbox.lifecycle import down, up

    name = f"test-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME_VARIABLE, name)
        try:
            yield up(example, name, silent)
        finally:
            down(machine.home, name, silent)


@pytest.fixture
def reset_sandbox(sandbox: Connection, example: Stack) -> Callable[[], Connection]:
    """Takes the session's sandbox back to what runs today; its address stays."""
    from lgtm_deploy.sandbox.lifecycle import reset

    return lambda: reset(example, sandbox.name, silent)


def silent(_text: str) -> None:
    return
