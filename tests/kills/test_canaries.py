"""What was planted as a secret is in nothing that a run writes: journal, lines, screens, saved plans, workspaces."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.steps.simulation import EXAMPLE

pytestmark = pytest.mark.long

ROOT = EXAMPLE.parents[2]
CANARY = "canary-7f3a91c2"
ENVIRONMENT = {
    name: f"{CANARY}-{name.lower()}"
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "TF_VAR_grafana_password",
        "DOCKER_AUTH_CONFIG",
        "DB_PASSWORD",
    )
}

# The command line on a cloud in memory whose task definitions and whose Terraform plans hold secrets.
PROGRAM = f"""
import sys
from dataclasses import replace
from lgtm_deploy.cli import app
from tests.kills.faked import join

def secret(actions):
    value = lambda when: {{"id": "x", "password": "{CANARY}-" + when, "copied": "uses {CANARY}-" + when}}
    marks = {{"password": True}}
    return {{
        "address": "aws_db_instance.this", "mode": "managed", "type": "aws_db_instance", "name": "this",
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {{
            "actions": [actions], "before": value("now"), "after": value("now" if actions == "no-op" else "then"),
            "after_unknown": {{}},
            "before_sensitive": marks, "after_sensitive": marks,
        }},
    }}

def plant(cloud):
    for service in cloud.services.values():
        service.spec = replace(service.spec, environment={{"DB_PASSWORD": "{CANARY}-in-the-task-definition"}})
    for root in cloud.roots.values():
        root.also.append(secret(sys.argv[1]))

join(lambda: None, lay_out=plant)
code = app.run(sys.argv[2:])
raise SystemExit(code)
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "stack"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        shutil.copytree(EXAMPLE.parent, self.folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))

    def run(self, terraform: str, *words: str) -> tuple[int, str]:
        """How it ended and all that it said."""
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, terraform, *words],
            cwd=self.folder,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def written(self) -> list[Path]:
        """Every file that runs have left behind."""
        places = [self.folder / ".lgtm-deploy", self.temporary]
        return [each for place in places for each in place.rglob("*") if each.is_file()]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def assert_silent(checkout: Checkout, said: str) -> None:
    assert CANARY not in said
    for file in checkout.written():
        assert CANARY.encode() not in file.read_bytes(), file
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, f"{file} can be read by others"


@pytest.mark.parametrize("output", ["json", "plain"])
def test_a_run_writes_no_secret(checkout: Checkout, output: str) -> None:
    words = ("--env", "prod", "--output", output)
    code, said = checkout.run("no-op", "apply", "prefix-change", "--yes", "--verbose", *words)

    assert code == 0, said
    more = [
        checkout.run("no-op", *verb, *words)[1] for verb in (("runs",), ("show", "last"), ("plan", "prefix-change"))
    ]
    assert all(more)
    assert checkout.written()
    assert_silent(checkout, said + "".join(more))


def test_a_plan_that_is_refused_for_a_secret_resource_does_not_tell_it(checkout: Checkout) -> None:
    code, said = checkout.run("update", "apply", "prefix-change", "--yes", "--env", "prod", "--output", "json")

    assert code == 2, said
    assert "aws_db_instance.this" in said
    assert_silent(checkout, said)


def test_a_run_that_is_undone_writes_no_secret(checkout: Checkout) -> None:
    deployed, _ = checkout.run("no-op", "apply", "prefix-change", "--yes", "--env", "prod", "--output", "json")
    code, said = checkout.run("no-op", "rollback", "last", "--yes", "--env", "prod", "--output", "plain")

    assert deployed == 0
    assert "rolled-back" in said or "cannot be undone" in said
    assert code in (0, 2, 3)
    assert_silent(checkout, said)
