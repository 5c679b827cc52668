"""Tempo alone: its API moves under the prefix, its health check stays, and Terraform has nothing to do."""

import time
import urllib.error
import urllib.request

import pytest

from lgtm_deploy.config.plan_file import find
from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.timeout(600)]


def only_tempo(checkout: Checkout) -> None:
    """Commits Tempo's part of the change, and leaves Pyroscope as it runs."""
    checkout.edit(
        "terraform/environments/sandbox/common.tfvars",
        'pyroscope_health_check_path = "/pyroscope/ready"',
        'pyroscope_health_check_path = "/ready"',
    )
    data_sources = "dockerfiles/grafana/config/provisioning/datasources/datasources.yaml"
    checkout.edit(data_sources, "http://pyroscope:4040/pyroscope", "http://pyroscope:4040")
    text = find("prefix-change", checkout.folder).read_text(encoding="utf-8")
    (checkout.folder / "plans").mkdir()
    only = text.replace("services: [tempo, pyroscope]", "services: [tempo]")
    (checkout.folder / "plans/prefix-change.yaml").write_text(only, encoding="utf-8")


def status_of(checkout: Checkout, path: str) -> int:
    request = urllib.request.Request(
        f"{checkout.connection.load_balancer_url}{path}", headers={"X-Scope-OrgID": "demo"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_tempo_moves_by_its_own_setting_with_no_flip_and_no_terraform(today: Checkout) -> None:
    only_tempo(today)
    before = today.status()
    assert status_of(today, "/tempo/api/search") == 404
    began = time.time()

    said = today.apply()

    assert said.exit_code == 0, said.out + said.err
    assert said.finished["verdict"] == "deployed"
    assert status_of(today, "/tempo/api/search") == 200
    after = today.status()
    assert (after["tempo"]["path"], after["tempo"]["deployment"]) == ("/ready", "successful")
    for changed in ("tempo", "grafana"):
        assert after[changed]["digest"] != before[changed]["digest"]
    for untouched in ("pyroscope", "mimir", "loki"):
        assert after[untouched]["revision"] == before[untouched]["revision"]
    assert today.requests(began, "ModifyTargetGroup", "ModifyRule", "CreateRule") == []
    grace = [
        each
        for each in today.requests(began, "UpdateService")
        if "healthCheckGracePeriodSeconds" in each["identifiers"]
    ]
    assert grace == [], "nothing is held: old and new tasks pass the same check"
