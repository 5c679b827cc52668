"""An answer is compared with the recorded one; the known caveats of the recordings are respected."""

from typing import Any

import pytest

from bench.replay.compare import compare
from bench.replay.recording import read
from lgtm_deploy.sandbox.standins.recordings import folder

Json = dict[str, Any]
NOTHING = '{"flamebearer":{"names":["total"]}}'


@pytest.mark.parametrize(
    ("name", "asked", "how"),
    [
        ("pyroscope-2.0.4-plain", "render, type and {}", "caveat"),
        ("pyroscope-2.0.4-plain", "GetProfileStats, {}, after writing", "caveat"),
        ("pyroscope-2.0.4-plain", "render, type and service_name", "body.flamebearer"),
        ("pyroscope-1.13.5-plain", "render, type and {}", "body.flamebearer"),
    ],
)
def test_only_a_query_without_service_name_may_see_nothing(name: str, asked: str, how: str) -> None:
    recording = read(folder() / f"{name}.json")
    [exchange] = [each for each in recording.exchanges if each.name == asked]
    answer: Json = {"status": 200, "headers": exchange.response["headers"], "body": NOTHING}

    verdict = compare(exchange, answer, recording)

    assert (verdict.wrong or verdict.how).startswith(how)


def test_a_query_without_service_name_still_needs_its_status() -> None:
    recording = read(folder() / "pyroscope-2.0.4-plain.json")
    [exchange] = [each for each in recording.exchanges if each.name == "render, type and {}"]

    verdict = compare(exchange, {"status": 500, "headers": {}, "body": NOTHING}, recording)

    assert verdict.wrong.startswith("status 200 recorded, 500 found")
