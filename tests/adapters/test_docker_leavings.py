"""What others have left in the engine, and what of it may go."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from lgtm_deploy.adapters.docker_leavings import PROCESS_LABEL, PULLED_LABEL, Identity, Leavings
from tests.adapters.engine import StubEngine

HOUR = 3600


def container(owner: str, age: float) -> dict[str, Any]:
    return {"Id": f"container of {owner}", "Labels": {PROCESS_LABEL: owner}, "Created": int(time.time() - age)}


def network(owner: str, age: float) -> dict[str, Any]:
    made = datetime.fromtimestamp(time.time() - age, UTC).isoformat().replace("+00:00", "123Z")
    return {"Id": f"network of {owner}", "Labels": {PROCESS_LABEL: owner}, "Created": made}


def note(owner: str, made: str) -> dict[str, Any]:
    return {"Name": f"note of {owner}", "Labels": {PROCESS_LABEL: owner, PULLED_LABEL: "tempo:1"}, "CreatedAt": made}


@pytest.fixture
def engine() -> StubEngine:
    return StubEngine()


def test_what_a_killed_job_in_another_container_left_goes_after_an_hour(engine: StubEngine) -> None:
    engine.listed["containers"] = [container("job", 2 * HOUR), container("neighbour", HOUR / 2)]
    engine.listed["networks"] = [network("job", 2 * HOUR), network("neighbour", HOUR / 2)]
    engine.listed["volumes"] = [note("job", "2026-01-16T00:00:00Z"), note("neighbour", "unreadable")]

    Leavings(engine, Identity(name="me")).sweep()

    assert engine.removed == ["container of job", "network of job", "note of job"]


def test_who_has_made_something_within_the_hour_keeps_it_all(engine: StubEngine) -> None:
    engine.listed["containers"] = [container("job", HOUR / 2)]
    engine.listed["networks"] = [network("job", 2 * HOUR)]

    Leavings(engine, Identity(name="me")).sweep()

    assert engine.removed == []


def test_what_a_process_left_that_is_gone_goes_at_once_and_its_own_stays(engine: StubEngine) -> None:
    engine.listed["containers"] = [container("gone", 1), container("me", 2 * HOUR)]

    Leavings(engine, Identity(name="me", is_gone=lambda name: name == "gone")).sweep()

    assert engine.removed == ["container of gone"]
