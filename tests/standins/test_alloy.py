"""Alloy's stand-in."""

from __future__ import annotations

import pytest


@pytest.fixture
def alloy(start, port: int, other_port: int):
    return start("alloy", "v1.9.2", STANDIN_PORTS=f"12345={port},4318={other_port}")


def test_alloy_is_ready_and_healthy(alloy) -> None:
    assert (alloy.get("/-/ready").status_code, alloy.get("/-/ready").text) == (200, "Alloy is ready.\n")
    assert alloy.get("/-/healthy").status_code == 200
    assert alloy.get("/ready").status_code == 404
