"""The example stack on a local AWS: a fresh checkout, command lines in it, and what the cloud has recorded."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from lgtm_deploy.sandbox.connection import Connection, connect
from lgtm_deploy.sandbox.home import Place, chosen_name, home_for

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lgtm-stack"
# Longer than any run of the plan.
SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class Cloud:
    """A checkout beside a sandbox that is set back before every round."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def up(self) -> None:
        """The first checkout, and its sandbox."""
        self._fresh("up")

    def reset(self) -> None:
        """What runs today, and a checkout that knows of no run."""
        self._fresh("reset")

    def _fresh(self, verb: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
        ended = self.run("sandbox", verb)
        if ended.code:
            raise SystemExit(f"`sandbox {verb}` fails: {ended.err}")

    @property
    def endpoint(self) -> str:
        """Where the local AWS is."""
        return self._connection().endpoint

    @contextmanager
    def behind(self, url: str) -> Iterator[None]:
        """lgtm-deploy's own calls go there meanwhile; Terraform's go where they went."""
        kept = self._place().connection
        before = kept.read_text(encoding="utf-8")
        kept.write_text(json.dumps({**json.loads(before), "endpoint": url}), encoding="utf-8")
        try:
            yield
        finally:
            kept.write_text(before, encoding="utf-8")

    def run(self, *words: str, module: tuple[str, ...] = ("lgtm_deploy",), seconds: float = SECONDS) -> Ended:
        """Runs lgtm-deploy in the checkout; killed after so many seconds."""
        command = [sys.executable, "-m", *module, *words]
        path = {"PYTHONPATH": str(EXAMPLE.parents[1])}
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, **path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        finally:
            # What ends this process ends that one, too.
            process.kill()
        return Ended(code=process.returncode, out=out, err=err)

    def state(self) -> dict[str, Any]:
        """Per service: the image that runs, by digest, its health, its health check's path and its grace period."""
        rows = json.loads(self.run("status", "--env", "sandbox", "--output", "json").out)["services"]
        grace = self._grace([row["service"] for row in rows])
        kept = ("digest", "tasks", "targets", "path", "deployment")
        return {row["service"]: {name: row[name] for name in kept} | {"grace": grace[row["service"]]} for row in rows}

    def _grace(self, names: list[str]) -> dict[str, int]:
        connection = self._connection()
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("ecs", region_name=connection.region, endpoint_url=connection.endpoint, **keys)
        services = [f"lgtm-sandbox-{name}" for name in names]
        found = client.describe_services(cluster="lgtm-sandbox-cluster", services=services)["services"]
        return {
            each["serviceName"].removeprefix("lgtm-sandbox-"): each.get("healthCheckGracePeriodSeconds", 0)
            for each in found
        }

    def made(self) -> Counter[str]:
        """How often an image was pushed and a deployment was begun since the reset, by repository and service."""
        made: Counter[str] = Counter()
        for line in self._connection().records.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            if record["kind"] == "deployment" and record["to"] == "PENDING":
                made[f"deployments {record['service']}"] += 1
            if record["kind"] == "request" and record["action"] == "RegistryPutManifest" and record["status"] < 300:
                made[f"pushes {record['identifiers'].get('repository', '')}"] += 1
        return made

    def _place(self) -> Place:
        return home_for(self.folder).place(chosen_name())

    def _connection(self) -> Connection:
        return connect(home_for(self.folder), chosen_name())
