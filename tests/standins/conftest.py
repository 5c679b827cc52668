"""Stand-ins as processes of their own, asked over HTTP, and in this process, with a clock that a test moves."""

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
import yaml

from lgtm_deploy.sandbox.ports import free_port
from lgtm_deploy.sandbox.standins import standin
from lgtm_deploy.sandbox.standins.listener import Response, request_of

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


@dataclass(kw_only=True)
class Clock:
    """The time that a stand-in in this process sees."""

    elapsed: float = 0.0

    def monotonic(self) -> float:
        return self.elapsed

    def wall(self) -> float:
        return NOW + self.elapsed


class InProcess:
    """A stand-in in this process."""

    def __init__(self, service: str, version: str, config: str, *, private_address: bool = True) -> None:
        self.clock = Clock()
        self.server = standin.StandIn(
            service,
            version,
            yaml.safe_load(config) or {},
            private_address=private_address,
            clock=self.clock.monotonic,
            wall=self.clock.wall,
        )

    def ask(
        self,
        target: str,
        body: bytes = b"",
        *,
        method: str = "",
        tenant: str | None = "demo",
        port: int = 0,
        **headers: str,
    ) -> Response:
        """Ask on the main port, or on another one. A body is sent by POST, as JSON unless a header says otherwise."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if tenant is not None:
            given["x-scope-orgid"] = tenant
        if body:
            given.setdefault("content-type", "application/json")
        listener = next(each for each in self.server.listeners if each.port == port or not port)
        return listener.answer(request_of(method or ("POST" if body else "GET"), target, given, body))


NOW = 1_800_000_000.0

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
    """Start a stand-in on `port`, with hardly any delays unless the test says so, and wait until it listens."""
    started: list[StandIn] = []

    def run(service: str, version: str, config: str = "", *, tenant: str = "", **environment: str) -> StandIn:
        file = tmp_path / f"{service}.yaml"
        file.write_text(config)
        settings = {"STANDIN_FACTOR": "1000", "STANDIN_ADDRESSES": "private", **environment}
        process = launch(service, version, None if service in {"grafana", "alloy"} else file, **settings)
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
