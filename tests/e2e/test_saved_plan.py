"""A plan that was saved and approved elsewhere: exactly that is applied, or nothing."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def change_state(today: Checkout, data: Path) -> None:
    """What any other apply does to the state of the load balancer's root: its serial goes up."""
    root = today.folder / "terraform/environments/sandbox/50-alb"
    environment = {**os.environ, **today.connection.environment, "TF_DATA_DIR": str(data)}

    def terraform(*words: str, given: str = "") -> str:
        done = subprocess.run(
            ["terraform", *words], cwd=root, env=environment, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    terraform("init", "-input=false", "-backend-config=../backend.hcl")
    state = json.loads(terraform("state", "pull"))
    state["serial"] += 1
    terraform("state", "push", "-", given=json.dumps(state))


def test_what_was_planned_before_the_state_changed_is_refused_before_anything_is_pushed(
    today: Checkout, tmp_path: Path
) -> None:
    said = today.run("plan", "prefix-change", "--env", "sandbox", "--out", "stale.json")
    assert said.exit_code == 0, said.out + said.err
    change_state(today, tmp_path)

    began = time.time()
    refused = today.run("apply", "prefix-change", "--env", "sandbox", "--plan", "stale.json", "--output", "json")

    assert refused.exit_code == 2
    assert refused.finished["verdict"] == "refused"
    assert refused.finished["reason"] == "terraform-plan: the state has changed since it was planned: plan again"
    assert [each for each in today.requests(began) if each["service"] not in ("dynamodb", "s3")] == []


def test_what_was_planned_is_refused_when_the_checkout_has_changed_and_applied_when_it_has_not(
    today: Checkout,
) -> None:
    said = today.run("plan", "prefix-change", "--env", "sandbox", "--out", "kept.json", "--detailed-exitcode")
    assert said.exit_code == 2, said.out + said.err
    assert (today.folder / "kept.json").stat().st_mode & 0o777 == 0o600

    config = today.folder / "dockerfiles/tempo/config/tempo-config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text + "\n# changed after it was approved\n", encoding="utf-8")
    began = time.time()
    refused = today.run("apply", "prefix-change", "--env", "sandbox", "--plan", "kept.json", "--output", "json")
    assert refused.exit_code == 2
    assert "push[tempo]" in refused.finished["reason"]
    assert [each for each in today.requests(began) if each["service"] not in ("dynamodb", "s3")] == []

    config.write_text(text, encoding="utf-8")
    applied = today.run("apply", "prefix-change", "--env", "sandbox", "--plan", "kept.json", "--output", "json")
    assert applied.exit_code == 0, applied.out + applied.err
    assert applied.finished["verdict"] == "deployed"
    planned = json.loads((today.folder / "kept.json").read_text(encoding="utf-8"))["outputs"]["terraform-plan"][
        "sha256"
    ]
    taken = next(
        each for each in applied.events if each["event"] == "StepStarted" and each["step"] == "switch-health-checks"
    )
    assert taken["inputs"]["planned"]["sha256"] == planned
