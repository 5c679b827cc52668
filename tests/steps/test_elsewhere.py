"""A run goes on, or back, on another machine: its state is shared, and no file of the first one is there."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.event import Record, StepObserved, StepOutdated, StepStarted, StepSucceeded
from lgtm_deploy.core.ports import Journal
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.lease import LockRequest, keep_lease
from lgtm_deploy.engine.undo import undo
from lgtm_deploy.fakes import FakeJournal, FakeObjects
from lgtm_deploy.storage.shared import SharedJournal, SharedLock
from tests.steps.simulation import BOTH, SimulatedToken, Simulation, no_hook
from tests.steps.test_terraform import TOPIC

When = Callable[[Record], bool]


def after(kind: type, step: str) -> When:
    return lambda record: isinstance(record.event, kind) and record.event.step == step


BEFORE_PUSH = after(StepSucceeded, "choose-strategy")
BEFORE_FLIP = after(StepSucceeded, "wait-for-tasks[portal]")
IN_FLIP = after(StepObserved, "switch-health-checks")
AFTER_FLIP = after(StepSucceeded, "switch-health-checks")


class Machines:
    """One world, and a machine with a folder of its own for each part of the run."""

    def __init__(self, folder: Path, journal: Callable[[], Journal]) -> None:
        self.world = Simulation(folder / "0")
        self.folder = folder
        self.journal = journal
        self.before = self.world.paths(), self.world.tags(), self.world.grace()
        self.used = 0

    def begin(self, when: When) -> Run:
        def stop_there(_run: Run, record: Record) -> None:
            if when(record):
                self.world.stop.cancel("interrupted")

        writer = JournalWriter(Run(id="run"), self.journal(), 1, [stop_there])
        return conduct(self._job(writer), Decisions(approve=lambda _: True), no_hook, stack="lgtm", by="me")

    def elsewhere(self) -> Job:
        """The run as another machine has it, which sees no file of the first."""
        shutil.rmtree(self.folder / str(self.used))
        return self.here(self.used + 1)

    def here(self, machine: int = 0) -> Job:
        """The run as another process has it."""
        journal = self.journal()
        self.used = machine
        self.world._workspace = self.folder / str(machine)
        self.world.stop = SimulatedToken(self.world.clock)
        so_far = Run(id="run").folded(record.event for record in journal.records("run"))
        return self._job(JournalWriter(so_far, journal, 2))

    def resume(self) -> Run:
        return conduct(self.elsewhere(), Decisions(approve=lambda _: True), no_hook, stack="lgtm", by="me")

    def told(self, kind: type) -> list[str]:
        return [record.event.step for record in self.journal().records("run") if isinstance(record.event, kind)]

    def _job(self, writer: JournalWriter) -> Job:
        return replace(self.world.job(), writer=writer)


def local() -> Callable[[], Journal]:
    journal = FakeJournal()
    return lambda: journal


def shared() -> Callable[[], Journal]:
    """Whoever asks has a client of their own, and nothing but what stands in the store."""
    objects = FakeObjects()
    return lambda: SharedJournal(objects)


@pytest.fixture(params=[local, shared])
def machines(tmp_path: Path, request: pytest.FixtureRequest) -> Machines:
    return Machines(tmp_path, request.param())


@pytest.mark.parametrize("when", [BEFORE_PUSH, BEFORE_FLIP], ids=["before push", "before flip"])
def test_a_saved_plan_that_is_not_there_is_made_again(machines: Machines, when: When) -> None:
    assert machines.begin(when).verdict == "interrupted"

    run = machines.resume()

    assert run.verdict == "deployed", run.reason
    assert machines.told(StepOutdated)[:1] == ["terraform-plan"]
    assert machines.told(StepStarted).count("terraform-plan") == 2
    assert machines.world.paths() == {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}
    assert machines.world.cloud.called("infrastructure.apply") == 1


def test_images_that_are_not_there_are_built_again(machines: Machines) -> None:
    machines.begin(BEFORE_PUSH)
    machines.world.cloud.images.clear()

    run = machines.resume()

    assert run.verdict == "deployed", run.reason
    assert {f"build[{name}]" for name in BOTH} <= set(machines.told(StepOutdated))


def test_an_image_that_is_another_one_by_now_is_tried_out_before_it_is_pushed(machines: Machines) -> None:
    """Somebody has changed the stack's files meanwhile."""
    machines.begin(BEFORE_PUSH)
    machines.world.cloud.images.clear()
    services = machines.world.stack.services
    machines.world.stack = replace(
        machines.world.stack, services={**services, "portal": replace(services["portal"], version="2.3.0")}
    )

    run = machines.resume()

    assert run.verdict == "deployed", run.reason
    assert machines.told(StepStarted).count("smoke-test[portal]") == 2
    tried, pushed = run.steps["smoke-test[portal]"].inputs["built"], run.steps["push[portal]"].inputs["tested"]
    assert tried == pushed


def test_images_that_were_pushed_are_not_built_again(machines: Machines) -> None:
    machines.begin(BEFORE_FLIP)
    machines.world.cloud.images.clear()

    assert machines.resume().verdict == "deployed"
    assert not [step for step in machines.told(StepOutdated) if step.startswith("build")]


def test_what_a_moved_health_check_was_begun_with_stays_what_it_was(machines: Machines) -> None:
    machines.begin(AFTER_FLIP)

    run = machines.resume()

    assert run.verdict == "deployed", run.reason
    assert "terraform-plan" not in machines.told(StepOutdated)


@pytest.mark.parametrize("when", [BEFORE_FLIP, IN_FLIP, AFTER_FLIP], ids=["before flip", "in flip", "after flip"])
def test_a_run_is_undone_on_another_machine(machines: Machines, when: When) -> None:
    machines.begin(when)

    run = undo(machines.elsewhere(), Decisions(approve=lambda _: True), no_hook, by="me")

    assert run.verdict == "rolled-back", run.reason
    world = machines.world
    assert (world.paths(), world.tags(), world.grace()) == machines.before


def test_on_the_same_machine_nothing_is_prepared_again(machines: Machines) -> None:
    machines.begin(BEFORE_PUSH)

    run = conduct(machines.here(), Decisions(approve=lambda _: True), no_hook, stack="lgtm", by="me")

    assert run.verdict == "deployed"
    assert machines.told(StepOutdated) == []


def test_who_does_not_want_to_go_on_leaves_a_run_that_can_still_go_on(machines: Machines) -> None:
    machines.begin(BEFORE_FLIP)

    refusing = Decisions(approve=lambda _: False)
    run = conduct(machines.elsewhere(), refusing, no_hook, stack="lgtm", by="me")

    assert (run.verdict, run.reason) == ("interrupted", "the change was not approved")
    assert machines.resume().verdict == "deployed"


def test_what_cannot_be_prepared_again_is_undone(machines: Machines) -> None:
    machines.begin(BEFORE_FLIP)
    for root in machines.world.cloud.roots.values():
        root.also.append(TOPIC)

    run = machines.resume()

    assert run.verdict == "rolled-back", run.reason
    assert run.reason.startswith("terraform-plan: ")


def test_a_shared_lock_is_taken_on_the_other_machine_with_a_higher_number(tmp_path: Path) -> None:
    objects = FakeObjects()
    machines = Machines(tmp_path, lambda: SharedJournal(objects))
    machines.begin(BEFORE_FLIP)
    job = machines.elsewhere()
    lock = SharedLock(objects, machines.world.clock, pause=machines.world.clock.advance)
    lock.release(lock.take(job.environment, "run", "ci@runner-1"))
    request = LockRequest(environment=job.environment, run="run", holder="ci@runner-2")

    with keep_lease(lock, request, clock=machines.world.clock, stop=job.stop) as keeper:
        job = replace(job, writer=JournalWriter(job.run, job.writer._journal, keeper.lease.fence), guard=lambda: None)
        run = conduct(job, Decisions(approve=lambda _: True), no_hook, stack="lgtm", by="me")

    assert (run.verdict, keeper.lease.fence) == ("deployed", 2), run.reason
