"""Alloy's stand-in, and the `wget` of container health checks."""

from __future__ import annotations

import pytest

from lgtm_deploy.sandbox.standins import wget


@pytest.fixture
def alloy(start, port: int, other_port: int):
    return start("alloy", "v1.9.2", STANDIN_PORTS=f"12345={port},4318={other_port}")


def test_alloy_is_ready_and_healthy(alloy) -> None:
    assert (alloy.get("/-/ready").status_code, alloy.get("/-/ready").text) == (200, "Alloy is ready.\n")
    assert alloy.get("/-/healthy").status_code == 200
    assert alloy.get("/ready").status_code == 404


def test_wget_tells_by_its_exit_code_whether_a_server_answers_well(alloy, port: int, other_port: int) -> None:
    words = ["-q", "-O", "/dev/null"]
    assert wget.main([*words, f"http://127.0.0.1:{port}/-/ready"]) == 0
    assert wget.main([*words, f"http://127.0.0.1:{port}/ready"]) == 1
    assert wget.main([*words, f"http://127.0.0.1:{other_port}/v1/traces"]) == 1
    assert wget.main(words) == 1
