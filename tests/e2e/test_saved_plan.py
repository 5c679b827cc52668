"""A plan that was saved and approved elsewhere: exactly that is applied, or nothing."""

import json
import time

import pytest

from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


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
    taken = next(each for each in applied.events if each["event"] == "StepStarted" and each["step"] == "flip")
    assert taken["inputs"]["sha256"] == planned
