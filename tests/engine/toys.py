"""Steps that can do anything, and a world that remembers in which order it happened."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import Any, ClassVar

from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.output import VARIABLES, Output
from lgtm_deploy.core.plan import Plan, RetryPolicy
from lgtm_deploy.core.ports import Progress, RunSummary
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.step import Action, Change, Effect, Look, Nothing, Proposal, Step
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.journal_writer import JournalWriter, Listener
from lgtm_deploy.fakes import FakeJournal

QUICK = RetryPolicy(attempts=4, first_delay=0.001, longest_delay=0.002)


class World:
    """What the steps change, and everything that happened to it and to the journal, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.state: dict[str, str] = {}
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()

    def did(self, what: str) -> None:
        with self._lock:
            self.log.append(what)

    def enter(self) -> None:
        with self._lock:
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)

    def leave(self) -> None:
        with self._lock:
            self._busy -= 1

    def what_was(self, verb: str) -> list[str]:
        """Whom that happened to, in order."""
        return [entry.removeprefix(f"{verb} ") for entry in self.log if entry.startswith(f"{verb} ")]


class WatchedJournal:
    """A journal that tells the world when something is on disk."""

    def __init__(self, world: World) -> None:
        self.appends = 0
        self._kept = FakeJournal()
        self._world = world

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        self.appends += 1
        written = self._kept.append(run, fence, events)
        for event in events:
            self._world.did(f"{type(event).__name__} {event.step}".strip())
        return written

    def records(self, run: str) -> Sequence[Record]:
        return self._kept.records(run)

    def runs(self, limit: int) -> Sequence[RunSummary]:
        return self._kept.runs(limit)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    value: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    state: str


@dataclass(frozen=True, kw_only=True)
class Outputs:
    value: str


Doing = Callable[["Toy", Progress], object]


def nothing(_toy: "Toy", _progress: Progress) -> None:
    return


class Toy(Action[Inputs, Seen, Outputs]):
    """Turns its place in the world to `new`. `before` and `after` run around that, `undo` before it is turned back."""

    takes = Inputs
    sees = Seen
    gives = Outputs

    def __init__(
        self, world: World, name: str, *, before: Doing = nothing, after: Doing = nothing, undo: Doing = nothing
    ) -> None:
        self.world = world
        self.name = name
        self.inputs: list[Inputs] = []
        self.applied = 0
        self.observed = 0
        self._before, self._after, self._undo = before, after, undo

    def observe(self, inputs: Inputs) -> Seen:
        self.observed += 1
        return Seen(state=self.world.state.get(self.name, "old"))

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        if seen.state == "new":
            return Nothing(outputs=Outputs(value=self.name))
        return Change(summary=f"turn {self.name}", details=(f"value {inputs.value}",))

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        self.world.enter()
        try:
            self.applied += 1
            self.inputs.append(inputs)
            self.world.did(f"apply {self.name}")
            self._before(self, progress)
            self.world.state[self.name] = "new"
            self._after(self, progress)
        finally:
            self.world.leave()
        return Outputs(value=self.name)

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        self.world.did(f"undo {self.name}")
        self._undo(self, progress)
        self.world.state[self.name] = seen.state

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        now = self.world.state.get(self.name, "old")
        return Open(outputs=None) if now == seen.state else Waiting(reason=f"is {now}", poll_seconds=0.001)


class LocalToy(Toy):
    """One that touches this machine only."""

    effect: ClassVar[Effect] = Effect.LOCAL


class Watch(Look[Inputs, Seen, Outputs]):
    """Looks until `judging` says that it is there; at once when nothing else is asked for."""

    takes = Inputs
    gives = Outputs

    def __init__(self, world: World, name: str, judging: Callable[[int], Gate[Outputs]] | None = None) -> None:
        self.world = world
        self.name = name
        self.looks = 0
        self._judging = judging

    def look(self, inputs: Inputs) -> Seen:
        self.looks += 1
        self.world.did(f"look {self.name}")
        return Seen(state="")

    def judge(self, inputs: Inputs, seen: Seen) -> Gate[Outputs]:
        return self._judging(self.looks) if self._judging else Open(outputs=Outputs(value=self.name))


def for_ever(_looks: int) -> Gate[Outputs]:
    return Waiting(reason="the world to turn", poll_seconds=0.005)


def fails(error: BaseException, *, times: int = 1) -> Doing:
    """Raises so many times, then lets it be."""
    left = [error] * times

    def doing(_toy: Toy, _progress: Progress) -> None:
        if left:
            raise left.pop()

    return doing


def until(ready: Callable[[], bool]) -> Doing:
    """Lasts until something is so."""

    def doing(_toy: Toy, _progress: Progress) -> None:
        wait_until(ready)

    return doing


def in_a_row(names: Sequence[str]) -> dict[str, Sequence[str]]:
    """Each needs the one before it."""
    return {name: names[place - 1 : place] if place else [] for place, name in enumerate(names)}


def wait_until(ready: Callable[[], bool]) -> None:
    """Returns once something is so; gives up after a while, so that no test can hang."""
    end = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


class Clock:
    """The real one."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def graph_of(needs: Mapping[str, Sequence[str]]) -> Graph:
    """A graph of toys: a step's name to those it needs."""
    graph = Graph()
    for name in TopologicalSorter(needs).static_order():
        after = [Output(each) for each in needs[name]]
        graph.add(name, Toy, Inputs(), title=f"do {name}", phase=Phase.DEPLOY, after=after, retry=QUICK, timeout=5.0)
    return graph


def value_of(step: str) -> Any:
    """What an earlier step gives."""
    return Output(step, Outputs).value


def variable(name: str) -> Any:
    """A variable of the plan."""
    return Output(VARIABLES, path=(name,))


class Stage:
    """A plan of toys, ready to be run."""

    def __init__(
        self,
        needs: Mapping[str, Sequence[str]],
        *steps: Toy | Watch,
        world: World | None = None,
        listeners: Iterable[Listener] = (),
        parallelism: int = 4,
        seconds: float | None = None,
        **changes: Any,
    ) -> None:
        self.world = world or World()
        self.journal = WatchedJournal(self.world)
        self.stop = CancellationToken()
        self.plan = replace(Plan(name="toys"), **changes)
        self.graph = graph_of(needs)
        named = {step.name: step for step in steps}
        made: dict[str, Step] = {node: named.get(node) or Toy(self.world, node) for node in self.graph.nodes}
        self.job = Job(
            plan=self.plan,
            graph=self.graph,
            steps=made,
            writer=JournalWriter(Run(id="7f3a"), self.journal, 1, list(listeners)),
            clock=Clock(),
            stop=self.stop,
            environment="test",
            parallelism=parallelism,
            deadline=None if seconds is None else time.monotonic() + seconds,
        )

    def rewrite(self, step: str, **changes: Any) -> "Stage":
        """Gives the step other inputs, another timeout …"""
        nodes = {**self.graph.nodes, step: replace(self.graph.nodes[step], **changes)}
        order = TopologicalSorter({node.id: node.needs for node in nodes.values()}).static_order()
        self.graph = Graph({name: nodes[name] for name in order})
        self.job = replace(self.job, graph=self.graph)
        return self

    def replace_step(self, step: Toy | Watch) -> None:
        """Has this one work the node of its name."""
        self.job = replace(self.job, steps={**self.job.steps, step.name: step})

    def write_to(self, journal: WatchedJournal) -> None:
        """Has the run remembered by another journal."""
        self.journal = journal
        self.job = replace(self.job, writer=JournalWriter(Run(id="7f3a"), journal, 1))

    @property
    def events(self) -> list[Event]:
        return [record.event for record in self.journal.records("7f3a")]

    def told(self, kind: type[Event]) -> list[str]:
        """The steps that such an event tells of, in order."""
        return [event.step for event in self.events if isinstance(event, kind)]
