"""A process that wakes between two changes of one step, when its environment is another run's, makes no second one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import LockLostError
from lgtm_deploy.core.lease import CALL_SECONDS, LEASE_SECONDS
from lgtm_deploy.core.outcome import InDoubt
from lgtm_deploy.core.plan import RetryPolicy
from lgtm_deploy.core.step import Step
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.lease import LeaseKeeper
from lgtm_deploy.engine.step_runner import StepCallbacks, StepRequest, StepRunner
from lgtm_deploy.fakes import FakeLock, fake_ports
from lgtm_deploy.fakes.services import FakeHost
from lgtm_deploy.steps.deploy_service import DeployService, Inputs, Seen
from lgtm_deploy.steps.results import PushedImage
from tests.steps.simulation import Simulation

QUIET = StepCallbacks(progressed=lambda _: None, observed=lambda *_: None, retried=lambda *_: None)


class Scene:
    """A run that holds the example stack's environment, and is stopped after its first change until another has it."""

    def __init__(self, workspace: Path, *, pinned_tag: str = "") -> None:
        self.world = Simulation(workspace, pinned_tag=pinned_tag, whole=True)
        self.cloud = self.world.cloud
        self.lock = FakeLock(self.world.clock)
        stop = CancellationToken()
        since = self.world.clock.monotonic()
        self.keeper = LeaseKeeper(
            self.lock, self.lock.take("prod", "7f3a", "ci"), since=since, clock=self.world.clock, stop=stop
        )
        self.cloud.permit.bind(self.keeper.check)
        ports = replace(fake_ports(self.world.stack, self.cloud, workspace), host=StoppedHost(self.cloud, self.sleep))
        self.step = DeployService(self.world.stack, ports)
        self._stop = stop

    def sleep(self) -> None:
        self.cloud.advance(LEASE_SECONDS + CALL_SECONDS)
        self.lock.take("prod", "91c2", "ada")
        self.cloud.calls.clear()

    def step_runner(self, inputs: Inputs) -> StepRunner:
        step: Step = self.step
        request = StepRequest(step=step, inputs=inputs, retry=RetryPolicy(), timeout=900.0)
        return StepRunner(request, clock=self.world.clock, stop=self._stop, callbacks=QUIET, guard=self.keeper.check)


class StoppedHost(FakeHost):
    """The process is stopped when the new revision is there."""

    def __init__(self, cloud: object, sleep: Callable[[], None]) -> None:
        super().__init__(cloud)  # type: ignore[arg-type]
        self._sleep = sleep

    def revise(self, service: str, images: Mapping[str, str]) -> str:
        made = super().revise(service, images)
        self._sleep()
        return made


def inputs_of(scene: Scene) -> Inputs:
    digest = next(iter(scene.cloud.pushed))
    repository = scene.cloud.address_of(scene.world.service("tempo").repository)
    pushed = PushedImage(service="tempo", digest=digest, reference=f"{repository}@{digest}")
    return Inputs(pushed=pushed, releases={})


def test_no_second_change_of_a_step_is_sent_after_a_takeover(tmp_path: Path) -> None:
    scene = Scene(tmp_path)

    outcome = scene.step_runner(inputs_of(scene)).outcome()

    assert isinstance(outcome, InDoubt)
    assert "7f3a stops before its lease on 'prod' ends" in outcome.reason
    assert scene.cloud.called("host.update") == 0
    held = scene.lock.holder("prod")
    assert held is not None
    assert held.run == "91c2"


def test_no_second_change_of_a_way_back_is_sent_after_a_takeover(tmp_path: Path) -> None:
    scene = Scene(tmp_path, pinned_tag="before")
    inputs = inputs_of(scene)
    seen: Seen = scene.step.observe(inputs)
    scene.cloud.put_image(scene.world.service("tempo").repository, "before", next(iter(scene.cloud.pushed.values())))

    with pytest.raises(LockLostError):
        scene.step.compensate(replace(inputs), replace(seen, task_definition="an earlier one"), lambda _: None)

    assert scene.cloud.called("host.update") == 0
