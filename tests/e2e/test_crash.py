"""A new image that does not survive its start, and that nobody has tried out: the run goes back, and says why."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Checkout, Said
from tests.e2e.facts import fewest_healthy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

Crash = tuple[Checkout, dict[str, dict[str, Any]], float, Said]


@pytest.fixture(scope="module")
def crash(today: Checkout) -> Iterator[Crash]:
    """Pyroscope's configuration has a key that it does not know: it exits at start, as in the night (N4)."""
    config = today.folder / "dockerfiles/pyroscope/config/pyroscope-config.yaml"
    config.write_text(config.read_text(encoding="utf-8") + "\nno_such_key: true\n", encoding="utf-8")
    today.edit(
        "lgtm-deploy.yaml", '    version: "2.0.4"\n', '    version: "2.0.4"\n    rehearsal: {skip: to see it crash}\n'
    )
    before = today.status()
    began = time.time()
    yield today, before, began, today.apply()


def test_the_run_is_rolled_back_with_exit_code_and_last_log_lines(
    crash: Crash,
) -> None:
    _, _, _, said = crash
    assert said.exit_code == 1, said.out + said.err
    assert said.finished["verdict"] == "rolled-back"
    assert "exited with code 1" in said.finished["reason"]
    assert "no_such_key" in said.finished["reason"]


def test_the_old_image_and_the_old_path_are_back(
    crash: Crash,
) -> None:
    checkout, before, _, _ = crash
    after = checkout.status()
    for service in ("tempo", "pyroscope"):
        assert after[service]["digest"] == before[service]["digest"]
        assert after[service]["path"] == before[service]["path"]
        assert after[service]["targets"] == {"healthy": 1}


def test_nobody_lost_a_target(
    crash: Crash,
) -> None:
    checkout, _, began, _ = crash
    fewest = fewest_healthy(checkout.records(), began, time.time())
    assert min(fewest.values()) >= 1, fewest
    assert checkout.requests(began, "ModifyTargetGroup") == []
