"""Executor, journal and lock through whatever may happen to a run: failures, kills, resumes, undoings, takeovers."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lgtm_deploy.core.errors import (
    DeployError,
    InDoubtError,
    LockHeldError,
    LockLostError,
    PermanentError,
    TransientError,
)
from lgtm_deploy.core.event import (
    RESUMABLE,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFailed,
    StepInDoubt,
    StepObserved,
    StepStarted,
    StepSucceeded,
    StepUnchanged,
)
from lgtm_deploy.core.lease import CALL_SECONDS, LEASE_SECONDS
from lgtm_deploy.core.ports import Lease, Progress
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.wire import decode, encode
from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.undo import nothing_to_undo, undo
from lgtm_deploy.fakes import FakeClock, FakeJournal, FakeLock
from tests.engine.acting import HookLog
from tests.engine.toys import Inputs, Outputs, Seen, Stage, Toy, World
from tests.kills.mortal import MOMENTS, Killed, Life, Moment, MortalJournal

pytestmark = pytest.mark.long

RUN, OTHER, PLACE = "7f3a", "91c2", "test"
FAULTS: Mapping[str, DeployError] = {
    "it breaks": PermanentError("It broke."),
    "it is busy": TransientError("Busy."),
    "its answer is lost": InDoubtError("No answer."),
}
OUTCOMES = (StepSucceeded, StepUnchanged, StepFailed, StepInDoubt)
GRAPHS = st.integers(2, 6).flatmap(
    lambda size: st.tuples(
        *(st.sets(st.sampled_from(range(at)), max_size=2) if at else st.just(set()) for at in range(size))
    )
)
FAULT = st.none() | st.tuples(st.sampled_from(sorted(FAULTS)), st.sampled_from(["before", "after"]))
MOMENT = st.builds(lambda what, number: Moment(what=what, number=number), st.sampled_from(MOMENTS), st.integers(1, 12))
APPROVED = Decisions(approve=lambda _: True)


class Place(Toy):
    """Tells its process's life when it changes the world, and fails as it is told to, once."""

    def __init__(self, world: World, name: str, life: Life, faults: dict[str, tuple[str, str]]) -> None:
        super().__init__(world, name)
        self._life = life
        self._faults = faults

    def change(self, what: str, to: str) -> None:
        self._life.at_moment("before change")
        fault = self._faults.pop(self.name, None) if what == "landed" else None
        if fault and fault[1] == "before":
            raise FAULTS[fault[0]]
        self.world.state[self.name] = to
        self.world.did(f"{what} {self.name}")
        self._life.at_moment("after change")
        if fault:
            raise FAULTS[fault[0]]

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        self.change("landed", "new")
        return Outputs(value=self.name)

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        self.change("undone", seen.state)


class AnyHistory(RuleBasedStateMachine):
    @initialize(
        needs=GRAPHS, faults=st.lists(FAULT, min_size=6, max_size=6), there=st.sets(st.integers(0, 5), max_size=2)
    )
    def lay(self, needs: tuple[set[int], ...], faults: list[tuple[str, str] | None], there: set[int]) -> None:
        self.needs = {f"n{at}": [f"n{each}" for each in sorted(before)] for at, before in enumerate(needs)}
        self.faults = {f"n{at}": fault for at, fault in enumerate(faults) if fault}
        self.world = World()
        self.there = {f"n{at}" for at in there} & self.needs.keys()
        self.world.state |= dict.fromkeys(self.there, "new")
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.lock = FakeLock(self.clock, self.journal)
        self.lives = 0

    # -- what may happen -----------------------------------------------------------------------------------------------
    @rule(at=MOMENT, workers=st.integers(1, 3))
    def goes_on(self, at: Moment | None, workers: int) -> None:
        if self.run.verdict in (None, *RESUMABLE):
            self.process(at, workers, lambda job: conduct(job, APPROVED, HookLog(), stack="lgtm", by="me"))

    @precondition(lambda self: self.run.started)
    @rule(at=MOMENT, workers=st.integers(1, 3))
    def is_undone(self, at: Moment | None, workers: int) -> None:
        if not nothing_to_undo(self.run):
            self.process(at, workers, lambda job: undo(job, APPROVED, HookLog(), by="you"))

    @rule(at=MOMENT, workers=st.integers(1, 3))
    def is_taken_over_on_the_way(self, at: Moment, workers: int) -> None:
        """The process stops at that moment for longer than its lease; another run takes its place, and it wakes."""
        if self.run.verdict not in (None, *RESUMABLE):
            return
        taken: list[tuple[Lease, int, int]] = []

        def take() -> None:
            self.lapse()
            lease = self.lock.take(PLACE, OTHER, "ada")
            taken.append((lease, len(self.journal.records(RUN)), len(self.world.log)))

        self.process(at, workers, lambda job: conduct(job, APPROVED, HookLog(), stack="lgtm", by="me"), instead=take)
        for lease, written, changed in taken:
            event("taken over")
            assert len(self.journal.records(RUN)) == written, "who was taken over wrote"
            # What was under way in each worker may land.
            assert len(self.world.log) - changed <= workers, self.world.log[changed:]
            self.lock.release(lease)

    def lapse(self) -> None:
        self.clock.advance(LEASE_SECONDS + CALL_SECONDS + 1)

    def process(
        self, at: Moment | None, workers: int, act: Callable[[Job], object], instead: Callable[[], None] | None = None
    ) -> None:
        """One process: it takes the lock, reads the journal, acts, and gives the lock back unless it is killed."""
        life = Life(at) if instead is None else Sleeper(at, instead)
        written = len(self.journal.records(RUN))
        if self.lock.holder(PLACE):
            with pytest.raises(LockHeldError):
                self.lock.take(PLACE, RUN, "me")
            assert len(self.journal.records(RUN)) == written
            self.lapse()
        lease = self.lock.take(PLACE, RUN, "me")

        def guard() -> None:
            held = self.lock.holder(PLACE)
            if held is None or held.fence != lease.fence:
                raise LockLostError("It is another's.")

        steps = [Place(self.world, name, life, self.faults) for name in self.needs]
        stage = Stage(self.needs, *steps, world=self.world, parallelism=workers)
        writer = JournalWriter(self.run, MortalJournal(self.journal, life), lease.fence)  # type: ignore[arg-type]
        try:
            act(replace(stage.job, writer=writer, guard=guard, takeover=lease.takeover))
        except Killed:
            event("killed")
            return
        except LockLostError:
            assert instead is not None
        self.lock.release(lease)

    # -- what is always so ---------------------------------------------------------------------------------------------
    @property
    def run(self) -> Run:
        return Run(id=RUN).folded(decode(encode(record)).event for record in self.journal.records(RUN))

    @invariant()
    def steps_begin_after_what_they_need(self) -> None:
        done: set[str] = set()
        for record in self.journal.records(RUN):
            if isinstance(record.event, StepStarted):
                assert done.issuperset(self.needs[record.event.step])
                assert record.event.step not in done, "what is done was begun again"
            if isinstance(record.event, StepSucceeded | StepUnchanged):
                done.add(record.event.step)

    @invariant()
    def an_attempt_has_one_outcome_at_the_most(self) -> None:
        open_: set[str] = set()
        for record in self.journal.records(RUN):
            if isinstance(record.event, StepStarted):
                open_.add(record.event.step)
            if isinstance(record.event, OUTCOMES):
                assert record.event.step in open_
                open_.remove(record.event.step)

    @invariant()
    def what_is_changed_was_written_down_before_and_is_changed_once(self) -> None:
        observed = {each.event.step for each in self.journal.records(RUN) if isinstance(each.event, StepObserved)}
        new: set[str] = set()
        for entry in self.world.log:
            what, name = entry.split()
            assert name in observed - self.there
            if what == "landed":
                assert name not in new, f"{name} was changed twice"
                assert new.issuperset(set(self.needs[name]) - self.there)
                new.add(name)
            else:
                assert name in new, f"{name} was undone and had not been changed"
                assert not any(name in self.needs[other] for other in new), f"{name} was undone under another"
                new.remove(name)

    @invariant()
    def there_is_one_verdict_and_it_is_true(self) -> None:
        opened = False
        for record in self.journal.records(RUN):
            if isinstance(record.event, RunStarted | RunResumed):
                opened = True
            if isinstance(record.event, RunFinished):
                assert opened, "a second verdict"
                opened = False
        run = self.run
        if run.verdict in ("deployed", "unchanged"):
            assert set(self.world.state) == set(self.needs)
            assert set(self.world.state.values()) == {"new"}
        if run.verdict in ("rolled-back", "refused"):
            assert {name for name, state in self.world.state.items() if state == "new"} == self.there
        assert run.verdict in (None, "deployed", "unchanged", "rolled-back", "refused", *RESUMABLE)

    @invariant()
    def fences_only_grow(self) -> None:
        fences = [record.fence for record in self.journal.records(RUN)]
        assert fences == sorted(fences)

    def teardown(self) -> None:
        """Whatever happened, it can be gone on with or undone to an end."""
        if not hasattr(self, "needs") or not self.run.started:
            return
        for _ in range(2):
            # A change whose answer was lost once more leaves a run that is gone on with again.
            self.goes_on(at=None, workers=2)
        assert self.run.verdict not in (None, *RESUMABLE)
        self.there_is_one_verdict_and_it_is_true()
        event(f"ends {self.run.verdict}")


class Sleeper(Life):
    """A process that is stopped at its moment, and wakes when something has happened."""

    def __init__(self, at: Moment | None, meanwhile: Callable[[], None]) -> None:
        super().__init__(at)
        self._meanwhile = meanwhile

    def at_moment(self, what: str) -> None:
        with suppress(Killed):
            super().at_moment(what)
            return
        with self._lock:
            if self.ended:
                self.ended, self.at = False, None
                self._meanwhile()


QUICK = settings(
    max_examples=60,
    stateful_step_count=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_whatever_happens_to_a_run_its_journal_and_the_world_agree() -> None:
    run_state_machine_as_test(AnyHistory, settings=QUICK)


@pytest.mark.torture
@pytest.mark.timeout(3600)
def test_whatever_happens_to_a_run_its_journal_and_the_world_agree_many_times() -> None:
    run_state_machine_as_test(
        AnyHistory, settings=settings(QUICK, max_examples=3000, stateful_step_count=15, derandomize=False)
    )
