"""An answer is compared with the recorded one; the known caveats of the recordings are respected."""

from typing import Any

import pytest

from bench.replay.compare import compare
from bench.replay.recording import Exchange, Recording, read
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


@pytest.mark.parametrize(
    ("method", "path", "more", "config", "how"),
    [
        ("GET", "/nope", {}, "plain", "status 405 recorded, 404 found"),
        ("PUT", "/push", {}, "plain", "caveat"),
        ("GET", "/nope", {"other_headers": {"allow": "POST"}}, "plain", "caveat"),
        ("GET", "/nope", {}, "wrong-methods", "caveat"),
    ],
)
def test_a_recorded_405_is_a_wrong_method_only_with_a_sign_of_another(
    method: str, path: str, more: Json, config: str, how: str
) -> None:
    exchanges = [
        Exchange(name=path, at=1.0, request={"method": verb, "path": path}, response={"headers": {}, **response})
        for verb, path, response in ((method, path, {"status": 405, **more}), ("POST", "/push", {"status": 204}))
    ]
    recording = Recording(file="x.json", data={"config_name": config}, exchanges=tuple(exchanges))

    verdict = compare(exchanges[0], {"status": 404, "headers": {}, "body": ""}, recording)

    assert (verdict.wrong or verdict.how) == how
