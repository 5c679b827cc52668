"""The fix that a Tempo of 2.4 or later knows itself: its API under the prefix, its health check where it is."""

import time
import urllib.error
import urllib.request

import pytest

from lgtm_deploy.adapters.docker import connect
from lgtm_deploy.config.stack_file import load
from lgtm_deploy.sandbox.images import build_standins
from tests.conftest import Machine
from tests.e2e.conftest import Checkout

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CONFIG = "dockerfiles/tempo/config/tempo-config.yaml"


def fixed_by_its_own_setting(checkout: Checkout) -> None:
    """What has to be committed for `prefix-change-api`, and Pyroscope left as it runs today."""
    checkout.edit(CONFIG, "  # The load balancer forwards /tempo/* as it is.\n  http_path_prefix: /tempo\n", "")
    checkout.edit(CONFIG, "multitenancy_enabled: true\n", "multitenancy_enabled: true\nhttp_api_prefix: /tempo\n")
    checkout.edit("lgtm-deploy.yaml", 'version: "2.3.1"', 'version: "2.9.0"')
    checkout.edit("lgtm-deploy.yaml", "path: /tempo/ready\n", "path: /ready\n")
    checkout.edit("lgtm-deploy.yaml", "      variable: tempo_health_check_path\n", "")
    checkout.edit("lgtm-deploy.yaml", "moves: [/ready, /metrics, /api/echo", "moves: [/api/echo")
    data_sources = "dockerfiles/grafana/config/provisioning/datasources/datasources.yaml"
    checkout.edit(data_sources, "http://pyroscope:4040/pyroscope", "http://pyroscope:4040")


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


def test_tempo_moves_by_its_own_setting_with_no_flip_and_no_terraform(machine: Machine, today: Checkout) -> None:
    fixed_by_its_own_setting(today)
    stack = load(today.folder / "lgtm-deploy.yaml", "sandbox")
    factor = today.connection.choice.factor
    build_standins(machine.home, connect(), [("tempo", stack.service("tempo").version)], factor, lambda _: None)
    before = today.status()
    assert status_of(today, "/tempo/api/echo") == 404
    began = time.time()

    said = today.apply(plan="prefix-change-api")

    assert said.exit_code == 0, said.out + said.err
    assert said.finished["verdict"] == "deployed"
    assert status_of(today, "/tempo/api/echo") == 200
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
