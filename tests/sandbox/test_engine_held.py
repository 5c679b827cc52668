"""Who needs the engine that the sandbox started, while sandboxes come and go."""

import io
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox import engine, lifecycle
from lgtm_deploy.sandbox.engine import Engine, engine_held, stop_idle_engine
from lgtm_deploy.sandbox.home import HOME_VARIABLE, Home


def silent(_text: str) -> None:
    return


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=tmp_path / "home")


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Home]:
    """The homes whose engine was stopped; each has one that answers."""
    found: list[Home] = []

    def stop(home: Home, _progress: Progress) -> None:
        found.append(home)

    monkeypatch.setattr(engine, "find_engine", lambda _home: Engine(docker_host="unix:///nowhere", own=True))
    monkeypatch.setattr(engine, "stop_engine", stop)
    monkeypatch.setattr(Engine, "client", lambda _self: io.BytesIO())
    return found


def test_one_process_may_hold_it_twice_and_lets_it_go_in_the_end(home: Home, stopped: list[Home]) -> None:
    with engine_held(home, silent):
        with engine_held(home, silent):
            pass
        assert stopped == []
    assert stopped == [home]


def test_a_sandbox_that_comes_up_keeps_it_and_one_that_failed_does_not(
    home: Home, stopped: list[Home], example: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another_goes_down(*_: object, **__: object) -> None:
        stop_idle_engine(home, silent)
        assert stopped == []
        raise PermanentError("The local AWS did not start.")

    monkeypatch.setenv(HOME_VARIABLE, str(home.path))
    monkeypatch.setattr(lifecycle._Start, "prepare", another_goes_down)

    with pytest.raises(PermanentError, match="did not start"):
        lifecycle.up(example, "a", silent)

    assert stopped == [home]
