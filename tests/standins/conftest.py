"""Stand-ins as processes of their own, started as the image starts them, and asked over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lgtm_deploy.sandbox.ports import free_port

SANDBOX = Path(__file__).parents[2] / "lgtm_deploy" / "sandbox"
EXAMPLE = Path(__file__).parents[2] / "examples" / "lgtm-stack"
DEADLINE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A started stand-in."""

    process: subprocess.Popen[str]
    port: int
    client: httpx.Client

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.client.get(path, **options)  # type: ignore[arg-type]

    def post(self, path: str, **options: object) -> httpx.Response:
        return self.client.post(path, **options)  # type: ignore[arg-type]

    def stop(self) -> tuple[int, str]:
        """The exit code after SIGTERM, and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, log


Start = Callable[..., StandIn]
Exit = Callable[..., tuple[int, str]]


@pytest.fixture
def port() -> int:
    return free_port(())


@pytest.fixture
def other_port(port: int) -> int:
    return free_port((port,))


def launch(service: str, version: str, config: Path | None, *flags: str, **environment: str) -> subprocess.Popen[str]:
    given = [f"-config.file={config}"] if config else []
    return subprocess.Popen(
        [sys.executable, "-m", "standins", service, *given, *flags],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SANDBOX), "STANDIN_VERSION": version, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """Start a stand-in on `port` and wait until it listens; readiness takes no time unless the test says so."""
    started: list[StandIn] = []

    def run(service: str, version: str, config: str = "", *, tenant: str = "", **environment: str) -> StandIn:
        file = tmp_path / f"{service}.yaml"
        file.write_text(config)
        settings = {"STANDIN_READY_SECONDS": "0", **environment}
        process = launch(service, version, None if service == "grafana" else file, **settings)
        headers = {"X-Scope-OrgID": tenant} if tenant else {}
        one = StandIn(
            process=process, port=port, client=httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers)
        )
        started.append(one)
        await_listening(process, port)
        return one

    yield run
    for one in started:
        one.client.close()
        one.process.kill()
        one.process.communicate()


@pytest.fixture
def run_to_exit(tmp_path: Path) -> Exit:
    """Run a stand-in that is expected to end by itself: its exit code and all it wrote."""

    def run(service: str, version: str, config: str, *flags: str, **environment: str) -> tuple[int, str]:
        file = tmp_path / f"{service}.yaml"
        file.write_text(config)
        process = launch(service, version, file, *flags, **environment)
        try:
            out, errors = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()
        return process.returncode, out + errors

    return run


def await_listening(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                _, log = process.communicate(timeout=1)
                pytest.fail(f"the stand-in does not listen: {log}")
            time.sleep(0.01)
        else:
            return
