"""A run that was stopped before the health check moved goes on with what is there now, not with what was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.event import Record, StepOutdated, StepSucceeded
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.engine.gates import gates_to_recheck
from lgtm_deploy.engine.journal_writer import JournalWriter
from tests.steps.simulation import BOTH, SimulatedToken, Simulation, no_hook
from tests.steps.test_going_back import Watch

NEW = {"portal": "/portal/ready", "pyroscope": "/pyroscope/ready"}


class Stopped:
    """A run that was stopped when all new tasks had answered, and before the health check moved."""

    def __init__(self, workspace: Path, *, task_probe: str = "direct") -> None:
        self.world = Simulation(workspace)
        environment = replace(self.world.stack.environment, task_probe=task_probe)
        self.world.stack = replace(self.world.stack, environment=environment)
        self.before = self.world.paths(), self.world.tags(), self.world.grace()
        answered: set[str] = set()

        def listen(_run: Run, record: Record) -> None:
            event = record.event
            if isinstance(event, StepSucceeded) and event.step.startswith("wait-for-tasks["):
                answered.add(event.step)
                if len(answered) == len(BOTH):
                    self.world.stop.cancel("interrupted")

        self.stopped = self._conduct(JournalWriter(Run(id="run"), self.world.journal, 1, [listen]))

    def resume(self) -> Run:
        self.world.stop = SimulatedToken(self.world.clock)
        so_far = Run(id="run").folded(record.event for record in self.world.journal.records("run"))
        return self._conduct(JournalWriter(so_far, self.world.journal, 2))

    def _conduct(self, writer: JournalWriter) -> Run:
        job = replace(self.world.job(), writer=writer)
        return conduct(job, Decisions(approve=lambda _: True), no_hook, stack="lgtm", by="me")


def ecs_goes_back(world: Simulation) -> None:
    """The hold is over long since, and new tasks were stopped until the circuit breaker tripped."""
    world.cloud.advance(20_000)
    assert world.running("portal").deployments[-1].status == "ROLLBACK_SUCCESSFUL"


def somebody_deploys(world: Simulation) -> None:
    portal = world.running("portal")
    world.cloud.deploy(portal, portal.revisions[0])
    world.cloud.advance(120)


@pytest.mark.parametrize("task_probe", ["direct", "shadow"])
@pytest.mark.parametrize(
    ("meanwhile", "verdict"),
    [(ecs_goes_back, "rolled-back"), (somebody_deploys, "superseded")],
    ids=["ecs", "somebody"],
)
def test_no_health_check_moves_when_the_new_tasks_are_gone(
    tmp_path: Path, task_probe: str, meanwhile: Callable[[Simulation], None], verdict: str
) -> None:
    run = Stopped(tmp_path, task_probe=task_probe)
    assert run.stopped.verdict == "interrupted"
    meanwhile(run.world)
    watch = Watch(run.world)

    resumed = run.resume()

    assert resumed.verdict == verdict, resumed.reason
    assert resumed.reason.startswith("wait-for-tasks[")
    assert run.world.cloud.called("infrastructure.apply") == 0
    assert run.world.paths() == run.before[0]
    assert min(watch.fewest.values(), default=1) == 1
    assert not run.world.cloud.shadows


@pytest.mark.parametrize("task_probe", ["direct", "shadow"])
def test_new_tasks_that_still_answer_are_asked_once_more_and_nothing_is_done_twice(
    tmp_path: Path, task_probe: str
) -> None:
    run = Stopped(tmp_path, task_probe=task_probe)
    cloud = run.world.cloud
    deployed = cloud.called("host.revise")

    resumed = run.resume()

    assert (resumed.verdict, resumed.reason) == ("deployed", "")
    assert run.world.paths() == NEW
    assert run.world.grace() == run.before[2]
    assert cloud.called("host.revise") == deployed + 1, "Grafana's, and no other"
    assert cloud.called("infrastructure.apply") == 1
    assert not cloud.shadows


def test_who_finds_only_a_part_of_it_written_down_finds_what_else_has_to_be_done_again(tmp_path: Path) -> None:
    stopped = Stopped(tmp_path, task_probe="shadow")
    run, job = stopped.stopped, stopped.world.job()
    again = gates_to_recheck(job.graph, run, job.steps)
    at = job.clock.now()
    assert {
        f"{what}[{service}]" for what in ("shadow-target-group", "wait-for-tasks") for service in BOTH
    } <= again.keys()

    for number, (step, why) in enumerate(again.items(), start=1):
        run = run.folded([StepOutdated(at=at, step=step, reason=why)])

        assert list(gates_to_recheck(job.graph, run, job.steps)) == list(again)[number:]
