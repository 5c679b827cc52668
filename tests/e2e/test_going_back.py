"""A failure after the load balancer's check has moved: image and check come back, and nobody loses a target."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lgtm_deploy.core.stack import Stack
from tests.e2e.conftest import Checkout
from tests.e2e.facts import fewest_healthy, first, killed_by_checks
from tests.e2e.night.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.timeout(600)]

PLAN = Path(__file__).resolve().parents[2] / "plans" / "prefix-change.yaml"


@pytest.fixture
def hidden(today: Checkout, example: Stack) -> Iterator[str]:
    """A path that Pyroscope answers, and that a rule of somebody else's sends to Loki."""
    path = "/pyroscope/metrics"
    with World(example, today.connection).rules("loki", (path,), first_priority=1):
        yield path


def test_what_users_do_not_see_goes_back_without_a_gap(today: Checkout, hidden: str) -> None:
    today.edit(
        "lgtm-deploy.yaml",
        "    probes:\n      - {path: /pyroscope",
        f"    probes:\n      - {{path: {hidden}}}\n      - {{path: /pyroscope",
    )
    (today.folder / "plans").mkdir()
    shutil.copy2(PLAN, today.folder / "plans")
    # The last probe need not be given its whole minute.
    today.edit(
        "plans/prefix-change.yaml",
        'with: {service: "${{ each }}"}\n    timeout: 60',
        'with: {service: "${{ each }}"}\n    timeout: 2',
    )
    before = today.status()
    began = time.time()

    said = today.apply()

    assert (said.exit_code, said.finished["verdict"]) == (1, "rolled-back"), said.out + said.err
    assert f"{hidden} answers 404" in said.finished["reason"]
    after = today.status()
    for service in ("tempo", "pyroscope"):
        assert after[service]["digest"] == before[service]["digest"]
        assert after[service]["path"] == before[service]["path"]
        assert after[service]["targets"] == {"healthy": 1}
    fewest = fewest_healthy(today.records(), began, time.time())
    assert min(fewest.values()) >= 1, fewest
    assert killed_by_checks(today.records(began)) == []

    records = today.records(began)
    flips = today.requests(began, "ModifyTargetGroup")
    back = [each for each in flips if "/pyroscope/ready" not in str(each["identifiers"])]
    earlier = first(
        [each for each in records if each["at"] > flips[0]["at"]],
        "task",
        service="lgtm-sandbox-pyroscope",
        to="RUNNING",
    )
    assert earlier["at"] < max(each["at"] for each in back), "the check follows the tasks"
