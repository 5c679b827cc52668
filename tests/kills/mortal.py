"""A deployment in memory whose process can be killed at any of its moments, and begun again by another process.

What a process has written and what the cloud has done outlive it; nothing else does, and after its end it neither
writes nor calls anything, whichever of its threads would like to.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from lgtm_deploy.config import plan_file, stack_file
from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.order import turns
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.recipe import build
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.wire import decode, encode
from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.undo import nothing_to_undo, undo
from lgtm_deploy.fakes import FakeClock, FakeCloud, FakeJournal, FakeService, fake_ports, lay
from lgtm_deploy.recipes.registry import BUNDLED
from tests.steps.simulation import EXAMPLE, EventfulClock, SimulatedToken, no_hook
from tests.steps.terraform_world import ROOT, put_under_terraform

RUN = "7f3a"
CHANGES = frozenset(
    {
        "registry.push",
        "registry.tag",
        "host.update",
        "host.revise",
        "infrastructure.apply",
        "shadow.create",
        "shadow.remove",
    }
)
"""Calls that change something outside."""


class Killed(BaseException):
    """The process ended here."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A point in a process's life: around its n-th durable write, or around its n-th change of the outside."""

    what: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} {self.number}"


Terraformed = Literal["", "deploys", "ignores"]
MOMENTS = ("before write", "after write", "before change", "after change")


class Life:
    """A process, until it is killed `at` one of its moments; never when there is none."""

    def __init__(self, at: Moment | None = None, *, passing: Callable[[Moment], object] = lambda _: None) -> None:
        self.at = at
        self.ended = False
        self._passing = passing
        self.passed: dict[str, int] = dict.fromkeys(MOMENTS, 0)
        self._lock = threading.RLock()

    def alive(self) -> None:
        """Raises Killed when the process has ended."""
        if self.ended:
            raise Killed

    def at_moment(self, what: str) -> None:
        """The process comes to its next moment of that kind. Raises Killed when it is its last."""
        with self._lock:
            self.alive()
            self.passed[what] += 1
            moment = Moment(what=what, number=self.passed[what])
            if self.at == moment:
                self.ended = True
                raise Killed
        self._passing(moment)


class MortalJournal:
    """A process's hand on the journal. Every event is a write of its own, so that a kill may come between any two."""

    def __init__(self, kept: FakeJournal, life: Life) -> None:
        self._kept = kept
        self._life = life

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        written: list[Record] = []
        for event in events:
            self._life.at_moment("before write")
            written += self._kept.append(run, fence, [event])
            self._life.at_moment("after write")
        return written


class MortalCloud:
    """A process's hand on the cloud.

    With `outliving` a Terraform outlives the process that is killed right before its apply lands: it has the state's
    lock, so that it has landed before anybody else may plan.
    """

    def __init__(self, cloud: FakeCloud, life: Life, outliving: list[Callable[[], object]] | None = None) -> None:
        self._cloud = cloud
        self._life = life
        self._outliving = outliving

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)

    def perform(self, name: str, act: Callable[[], Any], /, **arguments: Any) -> Any:
        if name not in CHANGES:
            self._life.alive()
            while name == "infrastructure.plan" and self._outliving:
                self._outliving.pop()()
            return self._cloud.perform(name, act, **arguments)
        try:
            self._life.at_moment("before change")
        except Killed:
            if name == "infrastructure.apply" and self._outliving is not None:
                self._outliving.append(lambda: self._cloud.perform(name, act, **arguments))
            raise
        done = self._cloud.perform(name, act, **arguments)
        self._life.at_moment("after change")
        return done


class MortalToken(SimulatedToken):
    """Waits no longer than its process lives."""

    def __init__(
        self, clock: FakeClock, life: Life, parent: "MortalToken | None" = None, *, shielded: bool = False
    ) -> None:
        super().__init__(clock, parent, shielded=shielded)
        self._life = life

    def child(self) -> "MortalToken":
        return MortalToken(self._clock, self._life, self)

    def shield(self) -> "MortalToken":
        return MortalToken(self._clock, self._life, self, shielded=True)

    def pause(self, seconds: float) -> None:
        self._life.alive()
        super().pause(seconds)
        self._life.alive()


@cache
def example(plan: str) -> tuple[Stack, Plan, Graph]:
    stack = stack_file.load(EXAMPLE, "prod")
    # As a sandbox has one: the example keeps no lock files of Terraform.
    stack = replace(stack, environment=replace(stack.environment, endpoint="http://aws.example"))
    found = plan_file.load(plan_file.find(plan, EXAMPLE.parent), BUNDLED, stack)
    return stack, found, build(found, stack)


@dataclass
class World:
    """The example stack, and a run of a plan on it that may take several processes."""

    workspace: Path
    plan: str = "prefix-change"
    shadowed: bool = False
    """Whether only the load balancer can reach the tasks."""
    parallelism: int = 10
    terraformed: Terraformed = ""
    """Whether Terraform manages the task definitions, and whether it deploys them or leaves the services alone."""
    outliving: list[Callable[[], object]] | None = None
    """What Terraform is about to do although its process was killed; None: it ends with its process."""
    clock: EventfulClock = field(default_factory=EventfulClock)
    journal: FakeJournal = field(default_factory=FakeJournal)
    lives: list[Life] = field(default_factory=list)
    read: Run = field(default_factory=lambda: Run(id=RUN))
    """The run as far as it has been read, and how many of its records that are."""
    read_till: int = 0

    def __post_init__(self) -> None:
        stack, self.made, self.graph = example(self.plan)
        if self.shadowed:
            stack = replace(stack, environment=replace(stack.environment, task_probe="shadow"))
        names = self.made.changed if self.terraformed else ()
        services = {name: replace(stack.service(name), task_definition=ROOT) for name in names}
        self.stack = stack = replace(stack, services={**stack.services, **services})
        self.cloud: FakeCloud = lay(stack, self.clock)
        if names:
            put_under_terraform(stack, self.cloud, names, ignored=self.terraformed == "ignores")
        self.laid = {name: len(service.deployments) for name, service in self.cloud.services.items()}

    @property
    def run(self) -> Run:
        """As a process that has just begun reads it."""
        records = self.journal.records(RUN)
        self.read = self.read.folded(decode(encode(record)).event for record in records[self.read_till :])
        self.read_till = len(records)
        return self.read

    @property
    def events(self) -> list[Event]:
        return [record.event for record in self.journal.records(RUN)]

    def job(self, life: Life) -> Job:
        """What the next process has to work with."""
        self.lives.append(life)
        fence = len(self.lives)
        self.journal.fences[self.stack.environment.name] = fence
        ports = fake_ports(self.stack, cast("FakeCloud", MortalCloud(self.cloud, life, self.outliving)), self.workspace)
        return Job(
            plan=self.made,
            graph=self.graph,
            steps={node.id: node.kind(self.stack, ports) for node in self.graph.nodes.values()},
            writer=JournalWriter(self.run, cast("FakeJournal", MortalJournal(self.journal, life)), fence),
            clock=self.clock,
            stop=MortalToken(self.clock, life),
            environment=self.stack.environment.name,
            parallelism=self.parallelism,
            turns=turns(self.graph, self.stack),
            stack=self.stack,
        )

    def apply(self, at: Moment | None = None, *, passing: Callable[[Moment], object] = lambda _: None) -> Life:
        """A process begins the run or goes on with it, until it has its verdict or is killed. Says how it lived."""
        life = Life(at, passing=passing)
        if self.run.verdict is None:
            with suppress(Killed):
                conduct(self.job(life), Decisions(approve=lambda _: True), no_hook, stack="lgtm", by="me")
        return life

    def undo(self, at: Moment | None = None) -> Life:
        """The same for a process that takes the run back; it has nothing to do where nothing was changed."""
        life = Life(at)
        if not nothing_to_undo(self.run):
            with suppress(Killed):
                undo(self.job(life), Decisions(approve=lambda _: True), no_hook, by="you")
        return life

    def killed_after_each_write(self) -> "Iterator[World]":
        """The worlds in which a process begins the run or goes on with it, and is killed: one after each of its writes.

        It is one process, and the world is copied at each of its writes: that is quicker than as many processes. The
        worlds share a workspace, so that each is to be done with before the next.
        """
        worlds: list[tuple[World, Mapping[Path, bytes]]] = []
        self.workspace.mkdir(exist_ok=True)

        def keep(moment: Moment) -> None:
            if moment.what == "after write":
                worlds.append(self._copied(moment))

        self.apply(passing=keep)
        for world, files in worlds:
            for file in self.workspace.iterdir():
                file.unlink()
            for file, content in files.items():
                file.write_bytes(content)
            yield world

    def _copied(self, at: Moment) -> "tuple[World, Mapping[Path, bytes]]":
        """This world where its process is killed now, and the files of its workspace."""
        own = (self.cloud, self.journal, self.clock)
        # What never changes is shared, and a lock is a new one.
        memo = {id(each): each for each in (*self.cloud.calls, *self.journal.records(RUN))}
        memo |= {id(each._lock): threading.RLock() for each in own}
        world = copy(self)
        # Whatever a worker is about to do out there waits, for the files as for the rest.
        with self.cloud._lock:
            world.cloud, world.journal, world.clock = deepcopy(own, memo)
            files = {file: file.read_bytes() for file in self.workspace.iterdir()}
        world.lives = [*self.lives[:-1], Life(at)]
        return world, files

    # -- what is there afterwards --------------------------------------------------------------------------------------
    def state(self) -> Mapping[str, object]:
        """Everything that the plan is about, as it is outside."""
        services = self.cloud.services.values()
        return {
            "checks": {name: group.health_check for name, group in self.cloud.groups.items()},
            "running": {
                each.name: sorted(task.deployment.digests[each.container] for task in each.tasks if task.is_wanted)
                for each in services
            },
            "healthy": {each.name: len(each.healthy) for each in services},
            "rollouts": {each.name: each.deployments[-1].status for each in services},
            "grace": {each.name: each.grace_period for each in services},
            "rules": (dict(self.cloud.rules), list(self.cloud.listener_rules)),
            "shadows": set(self.cloud.shadows),
            "defined": {
                name: (each.containers, each.arn == _arn(self.cloud.services[name]))
                for name, each in self.cloud.defined.items()
            },
        }

    def changes(self) -> Mapping[str, int]:
        """How often each change was made outside, by what it was made to."""
        made: dict[str, int] = {}
        for call in self.cloud.calls:
            what = call.arguments.get("repository") or call.arguments.get("service") or ""
            if call.name in CHANGES:
                made[f"{call.name} {what}".strip()] = made.get(f"{call.name} {what}".strip(), 0) + 1
        for name, service in self.cloud.services.items():
            made[f"deployments {name}"] = len(service.deployments) - self.laid[name]
        return made


def _arn(service: FakeService) -> str:
    return service.wanted.revision.arn if service.wanted else service.revisions[-1].arn
