"""What was planted as a secret is in nothing that a run writes: journal, lines, screens, saved plans, workspaces."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.steps.simulation import EXAMPLE, copy_example

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
        "DEPLOY_PASSWORD",
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
        root.variables["grafana_password"] = "nothing in this cloud"
        root.others["threshold"] = (next(iter(root.paths), ""), "unhealthy_threshold")
        root.also.append(secret(sys.argv[1]))

join(lambda: None, lay_out=plant)
code = app.run(sys.argv[2:])
raise SystemExit(code)
"""


def secretive(variable: str) -> str:
    """The bundled plan, with a secret for this variable of Terraform's."""
    text = (ROOT / "plans" / "prefix-change.yaml").read_text() + "secrets: {password: DEPLOY_PASSWORD}\n"
    for old, new in (
        ("name: prefix-change", "name: secret-change"),
        ("root: alb\n", f"root: alb\n    variables: {{{variable}: password}}\n"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    return text


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "stack"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        copy_example(self.folder)

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

    def has_plan(self, variable: str) -> None:
        """A plan that gives its secret to this variable of Terraform's."""
        (self.folder / "plans").mkdir()
        (self.folder / "plans" / "secret-change.yaml").write_text(secretive(variable))

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


@pytest.mark.parametrize("output", ["json", "plain", "live"])
def test_a_secret_variable_is_told_nowhere(checkout: Checkout, output: str) -> None:
    checkout.has_plan("grafana_password")
    words = ("--env", "prod", "--output", output)

    shown, more = checkout.run("no-op", "plan", "secret-change", "--out", "kept", *words)
    code, said = checkout.run("no-op", "apply", "secret-change", "--plan", "kept", "--verbose", *words)
    _, told = checkout.run("no-op", "show", "last", *words)
    back, undone = checkout.run("no-op", "rollback", "last", "--yes", *words)

    assert (shown, code) == (0, 0), said + more
    assert "rolled-back" in undone or "cannot be undone" in undone
    assert back in (0, 2, 3)
    assert output != "json" or "${{ vars.password }}" in said
    assert CANARY.encode() not in (checkout.folder / "kept").read_bytes()
    assert_silent(checkout, more + said + told + undone)


def test_a_defect_that_repeats_a_secret_variable_is_told_without_it(checkout: Checkout) -> None:
    checkout.has_plan("threshold")

    words = ("--env", "prod", "--output", "plain", "--verbose")
    code, said = checkout.run("no-op", "apply", "secret-change", "--yes", *words)
    looked, more = checkout.run("no-op", "plan", "secret-change", *words)

    assert code != 0
    assert looked != 0
    assert "invalid literal for int() with base 10: '${{ vars.password }}'" in said
    assert_silent(checkout, said + more)


def test_a_secret_given_on_the_command_line_is_not_repeated(checkout: Checkout) -> None:
    checkout.has_plan("grafana_password")

    code, said = checkout.run(
        "no-op", "apply", "secret-change", "--yes", "--var", f"password={CANARY}", "--env", "prod"
    )

    assert code == 2
    assert "Set DEPLOY_PASSWORD in the environment instead." in said
    assert_silent(checkout, said)
