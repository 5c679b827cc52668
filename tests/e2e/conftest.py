"""A user's checkout of the example stack, the command line in it, and the sandbox's own records."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.connection import Connection

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lgtm-stack"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command said, and how long it took in seconds."""

    exit_code: int
    out: str
    err: str
    seconds: float

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def finished(self) -> dict[str, Any]:
        """The last event."""
        return self.events[-1]


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A copy of the example stack, as a user has it. Command lines run in the process `group`, if there is one."""

    folder: Path
    connection: Connection
    group: int | None = None

    def run(self, *words: str, timeout: float = 1200, **environment: str) -> Said:
        """Runs lgtm-deploy in the checkout."""
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "lgtm_deploy", *words],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            group=self.group,
        )
        return Said(exit_code=done.returncode, out=done.stdout, err=done.stderr, seconds=time.monotonic() - began)

    def apply(self, *words: str, plan: str = "prefix-change", **environment: str) -> Said:
        """Applies a plan, with events as JSON lines."""
        return self.run("apply", plan, "--env", "sandbox", "--yes", "--output", "json", *words, **environment)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replaces a text that must be there."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} does not say {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def records(self, since: float = 0.0) -> list[dict[str, Any]]:
        """What happened in the cloud since then (epoch seconds)."""
        # The last line may be half written.
        lines = self.connection.records.read_text(encoding="utf-8").split("\n")[:-1]
        return [record for line in lines if (record := json.loads(line))["at"] >= since]

    def requests(self, since: float, *actions: str) -> list[dict[str, Any]]:
        """Mutating requests, or those of the named actions."""
        found = [each for each in self.records(since) if each["kind"] == "request"]
        return [each for each in found if (each["action"] in actions if actions else each["mutating"])]

    def status(self) -> dict[str, dict[str, Any]]:
        """What `status` says, by service."""
        said = self.run("status", "--env", "sandbox", "--output", "json")
        assert said.exit_code == 0, said.err
        return {row["service"]: row for row in json.loads(said.out)["services"]}

    def data_sources(self) -> dict[str, str]:
        """Grafana's data sources by uid, as the Grafana that runs has been given them."""
        login = base64.b64encode(b"admin:admin").decode()
        url = f"{self.connection.load_balancer_url}/api/datasources"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return {each["uid"]: each["url"] for each in json.load(answer)}


@pytest.fixture(scope="session")
def new_checkout(sandbox: Connection, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Checkout]:
    return lambda: _copy(sandbox, tmp_path_factory)


@pytest.fixture
def checkout(new_checkout: Callable[[], Checkout]) -> Checkout:
    return new_checkout()


def _copy(connection: Connection, factory: pytest.TempPathFactory) -> Checkout:
    folder = factory.mktemp("checkout") / "lgtm-stack"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
    return Checkout(folder=folder, connection=connection)


@pytest.fixture(scope="module")
def today(sandbox: Connection, example: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout beside a sandbox in which runs what runs today: reset where a test before has changed it."""
    from lgtm_deploy.sandbox.lifecycle import reset

    checkout = _copy(sandbox, tmp_path_factory)
    if any(
        not row["revision"].endswith(":1") or row["path"].startswith(f"/{name}/")
        for name, row in checkout.status().items()
    ):
        reset(example, sandbox.name, lambda _text: None)
    yield checkout


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The night's cases as a table, where any of them were run."""
    from tests.e2e.night.seen import ROW, Seen, print_table

    passed_and_failed = [each for word in ("passed", "failed") for each in terminalreporter.getreports(word)]
    rows = [Seen(**value) for each in passed_and_failed for name, value in each.user_properties if name == ROW]
    if rows:
        terminalreporter.section("the night")
        print_table(rows, terminalreporter)
