"""Every call that changes AWS asks the run's own lease keeper; in a cloud in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lgtm_deploy.cli import running, wiring
from lgtm_deploy.cli.app import run
from lgtm_deploy.engine.lease import LeaseKeeper
from lgtm_deploy.fakes import fake_ports
from tests.adapters.engine import StubEngine
from tests.steps.simulation import EXAMPLE, SimulatedToken, Simulation, copy_example


def test_every_change_of_a_run_asks_its_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stack"
    copy_example(folder)
    world = Simulation(tmp_path, whole=True)
    cloud = world.cloud
    ports = fake_ports(world.stack, cloud, tmp_path)
    asked: list[Callable[[], None]] = []
    check = cloud.permit.check
    monkeypatch.setattr(cloud.permit, "check", lambda: asked.append(cloud.permit._guard) or check())
    seen = wiring.Sights(
        host=ports.host, rollouts=ports.rollouts, balancer=ports.balancer, caller=ports.caller, permit=cloud.permit
    )
    monkeypatch.setattr(wiring, "sights", lambda _: seen)
    monkeypatch.setattr(wiring, "ports", lambda stack, _, workspace: fake_ports(stack, cloud, workspace))
    monkeypatch.setattr(running, "CancellationToken", lambda: SimulatedToken(world.clock))
    cloud.sources = {folder / path.relative_to(EXAMPLE.parent): made for path, made in cloud.sources.items()}
    cloud.roots = {folder / path.relative_to(EXAMPLE.parent): made for path, made in cloud.roots.items()}

    assert run(["--stack", str(folder / EXAMPLE.name), "--env", "prod", "apply", "prefix-change", "--yes"]) == 0

    assert len(asked) > 1
    assert all(isinstance(getattr(guard, "__self__", None), LeaseKeeper) for guard in asked)


def test_what_changes_the_real_world_asks_the_same_permit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.docker.connect", StubEngine)
    stack = Simulation(tmp_path, whole=True).stack

    seen = wiring.sights(stack)
    world = wiring.ports(stack, seen, tmp_path / "7f3a")

    for each in (seen.host, seen.balancer, world.host, world.shadow, world.registry):
        assert each._aws._permit is seen.permit  # type: ignore[attr-defined]
