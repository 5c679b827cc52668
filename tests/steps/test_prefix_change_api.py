"""The fix that a Tempo of 2.4 or later knows itself, in a cloud in memory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.stack import Health, Paths, Service
from lgtm_deploy.fakes import Contract, Source
from tests.steps.simulation import Simulation

READY: Mapping[str, str] = {"/ready": "ready"}


@pytest.fixture
def world(tmp_path: Path) -> Simulation:
    world = Simulation(tmp_path, plan="prefix-change-api", changed=with_its_own_setting)
    tempo = world.service("tempo")
    made_of(world, Contract(answers={**READY, **{each.path: each.body for each in (*tempo.probes, *tempo.expects)}}))
    return world


def with_its_own_setting(service: Service) -> Service:
    """What the stack file says of Tempo for this plan."""
    if service.name != "tempo":
        return service
    return replace(
        service,
        version="2.9.0",
        health=Health(path="/ready", body="ready"),
        paths=Paths(moves=("/api/echo",), keeps=("/ready",)),
    )


def made_of(world: Simulation, contract: Contract) -> None:
    context = (world.stack.directory / world.service("tempo").context).resolve()
    world.cloud.sources[context] = Source(contract=contract)


def test_tempo_is_under_its_prefix_and_the_health_check_has_not_moved(world: Simulation) -> None:
    before = world.paths()

    run = world.apply()

    assert (run.verdict, run.reason) == ("deployed", "")
    assert "@sha256:" in world.tags()["tempo"]
    assert world.paths() == before
    assert world.cloud.called("infrastructure.apply") == world.cloud.called("infrastructure.plan") == 0
    assert not [step for step in run.steps if step.startswith(("hold", "flip"))]
    assert world.apply().verdict == "unchanged"


def test_an_image_that_still_has_the_old_setting_is_refused_before_anything_is_pushed(world: Simulation) -> None:
    made_of(world, Contract(answers={"/tempo/metrics": ""}))

    run = world.apply()

    assert run.verdict == "refused"
    assert "probe-image[tempo]" in run.reason
    assert not any(world.cloud.called(call) for call in ("registry.push", "host.update", "host.revise"))
