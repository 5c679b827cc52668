"""One sandbox for most of the shim's tests, and the images they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim.cloud import Cloud, compile_server, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_server(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, server: Path) -> Iterator[Cloud]:
    with running(Cloud(directory=tmp_path_factory.mktemp("cloud"))) as started:
        started.push(server, "app", "good", MARK="good", DEFAULT=200)
        started.push(server, "app", "new", MARK="new", DEFAULT=200)
        started.push(server, "app", "moved", MARK="moved", ROUTES="/moved/ready=200", DEFAULT=404)
        started.push(server, "app", "dying", MARK="dying", EXIT_AFTER=0, EXIT_CODE=3)
        yield started
        if started.shim:
            assert "Traceback" not in started.log, "the shim's threads log what they could not do"
