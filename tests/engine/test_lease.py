"""How a run keeps its environment, and what it does when it is lost."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.adapters.aws import CONNECT_TIMEOUT, READ_TIMEOUT
from lgtm_deploy.core.errors import InterruptedRunError, LockHeldError, LockLostError, PermanentError, TransientError
from lgtm_deploy.core.event import (
    Event,
    LockTaken,
    LockTakenOver,
    Record,
    RollbackStarted,
    RunFinished,
    StepCompensated,
    StepInDoubt,
    StepObserved,
)
from lgtm_deploy.core.lease import CALL_SECONDS, LEASE_SECONDS
from lgtm_deploy.core.ports import Lease
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.lease import LeaseKeeper, LockRequest, keep_lease
from lgtm_deploy.fakes import FakeClock, FakeJournal, FakeLock
from lgtm_deploy.storage.local import LocalLock
from lgtm_deploy.storage.local.database import Database
from tests.engine.acting import act
from tests.engine.toys import Stage, Toy, Watch, World, fails, for_ever

REQUEST = LockRequest(environment="prod", run="7f3a", holder="ci@runner-4")


class Deaf(FakeLock):
    """Cannot be reached any more once it is told so."""

    deaf = False

    def renew(self, lease: Lease) -> None:
        if self.deaf:
            raise TransientError("S3 cannot be reached.")
        super().renew(lease)


class Scene:
    """A run that holds its environment."""

    def __init__(self, earlier: str = "") -> None:
        """`earlier` is a run whose lease has run out."""
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.lock = Deaf(self.clock, self.journal)
        self.stop = CancellationToken()
        if earlier:
            self.lock.take("prod", earlier, "ada@laptop")
            self.clock.advance(LEASE_SECONDS + CALL_SECONDS)
        since = self.clock.monotonic()
        lease = self.lock.take("prod", "7f3a", "ci@runner-4")
        self.keeper = LeaseKeeper(self.lock, lease, since=since, clock=self.clock, stop=self.stop)

    def lose(self) -> None:
        """Somebody takes the environment over."""
        self.lock.break_("prod", "7f3a", "ada")


def test_a_lease_that_is_renewed_lasts() -> None:
    scene = Scene()
    for _ in range(10):
        scene.clock.advance(LEASE_SECONDS / 2)
        scene.keeper.renew()
        scene.keeper.check()

    assert not scene.stop.cancelled


def test_without_renewal_nothing_begins_that_could_outlast_the_lease() -> None:
    scene = Scene()
    scene.clock.advance(LEASE_SECONDS - CALL_SECONDS)
    scene.keeper.check()
    scene.clock.advance(0.1)

    with pytest.raises(LockLostError, match="7f3a stops before its lease on 'prod' ends"):
        scene.keeper.check()

    assert scene.stop.cancelled_now
    assert scene.stop.timed_out


def test_a_store_that_cannot_be_reached_stops_the_run_in_time_and_not_before() -> None:
    scene = Scene()
    scene.lock.deaf = True
    scene.clock.advance(LEASE_SECONDS / 2)
    scene.keeper.renew()
    scene.keeper.check()
    assert not scene.stop.cancelled

    scene.clock.advance(LEASE_SECONDS / 2 - CALL_SECONDS + 1)
    scene.keeper.renew()

    assert scene.stop.cancelled_now
    assert "could not be renewed: S3 cannot be reached" in scene.stop.reason


def test_who_was_taken_over_learns_it_at_the_next_sign_of_life() -> None:
    scene = Scene()
    scene.lose()
    scene.keeper.renew()

    assert scene.stop.cancelled_now
    with pytest.raises(LockLostError, match="no longer holds environment 'prod'"):
        scene.keeper.check()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "lease"]


def test_the_threads_that_renew_and_look_end_with_the_run_and_the_lock_is_given_back() -> None:
    clock = FakeClock()
    lock = FakeLock(clock)

    with keep_lease(lock, REQUEST, clock=clock, stop=CancellationToken()) as keeper:
        keeper.check()
        assert threads() == ["lease", "lease"]

    assert threads() == []
    assert lock.holder("prod") is None


def test_a_store_that_does_not_answer_keeps_no_run_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.engine.lease._PARTING", 0.1)
    clock, stop = FakeClock(), CancellationToken()
    asked, answer, answered = threading.Event(), threading.Event(), threading.Event()

    class Silent(FakeLock):
        def renew(self, lease: Lease) -> None:
            asked.set()
            answer.wait(60)
            answered.set()
            super().renew(lease)

    lock = Silent(clock)
    keeper = LeaseKeeper(lock, lock.take("prod", "7f3a", "ci"), since=0.0, clock=clock, stop=stop, beat=0.01)
    with keeper.renewing():
        assert asked.wait(10)
    assert not answered.is_set()
    lock.release(keeper.lease)
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "lease":
            thread.join(10)

    assert threads() == []
    assert not stop.cancelled_now


def test_the_thread_renews() -> None:
    clock = FakeClock()
    renewed = threading.Event()

    class Watched(FakeLock):
        def renew(self, lease: Lease) -> None:
            super().renew(lease)
            renewed.set()

    lock = Watched(clock)
    keeper = LeaseKeeper(
        lock, lock.take("prod", "7f3a", "ci"), since=0.0, clock=clock, stop=CancellationToken(), beat=0.01
    )
    with keeper.renewing():
        assert renewed.wait(10)


def test_a_run_that_does_not_wait_is_refused_at_once() -> None:
    clock = FakeClock()
    lock = FakeLock(clock)
    lock.take("prod", "91c2", "ada@laptop")

    with (
        pytest.raises(LockHeldError, match="locked by run 91c2"),
        keep_lease(lock, REQUEST, clock=clock, stop=CancellationToken()),
    ):
        pytest.fail("it was locked")


class Passing(CancellationToken):
    """Lets the clock pass in place of sleeping."""

    def __init__(self, clock: FakeClock, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.paused = 0.0
        self._clock = clock
        self._meanwhile = meanwhile

    def pause(self, seconds: float) -> None:
        self.paused += seconds
        self._clock.advance(seconds)
        self._meanwhile()
        self.check(patient=False)


def waiting(seconds: float) -> LockRequest:
    return LockRequest(environment="prod", run="7f3a", holder="ci@runner-4", wait=seconds)


def test_a_run_that_waits_takes_over_once_lease_and_longest_call_are_over() -> None:
    clock = FakeClock()
    lock = FakeLock(clock)
    lock.take("prod", "91c2", "ada@laptop")
    stop = Passing(clock)
    told: list[str] = []

    with keep_lease(lock, waiting(300), clock=clock, stop=stop, tell=told.append) as keeper:
        assert keeper.lease.takeover is not None
        assert keeper.lease.takeover.from_run == "91c2"

    assert LEASE_SECONDS + CALL_SECONDS <= stop.paused <= LEASE_SECONDS + CALL_SECONDS + 1
    assert len(told) == 1
    assert "locked by run 91c2" in told[0]
    assert "Waiting up to 300 s." in told[0]


def test_a_run_waits_no_longer_than_it_was_told() -> None:
    clock = FakeClock()
    lock = FakeLock(clock)
    lease = lock.take("prod", "91c2", "ada@laptop")
    stop = Passing(clock, meanwhile=lambda: lock.renew(lease))

    with pytest.raises(LockHeldError), keep_lease(lock, waiting(30.5), clock=clock, stop=stop):
        pytest.fail("it was locked")

    assert stop.paused == pytest.approx(30.5)


@pytest.mark.timeout(120)
def test_who_waits_also_waits_for_a_journal_that_another_process_keeps_busy(tmp_path: Path) -> None:
    clock = FakeClock()
    file = tmp_path / "state.db"
    lock, other = LocalLock(file, clock, patience=0.0), Database(file)
    told: list[str] = []

    with ExitStack() as writing:
        writing.enter_context(other.writing())
        stop = Passing(clock, meanwhile=writing.close)
        with keep_lease(lock, waiting(300), clock=clock, stop=stop, tell=told.append) as keeper:
            assert keeper.lease.run == "7f3a"

    assert "another process keeps it busy" in told[0]
    lock.close()
    other.close()


def test_who_waits_can_be_stopped() -> None:
    clock = FakeClock()
    lock = FakeLock(clock)
    lock.take("prod", "91c2", "ada@laptop")
    stop = Passing(clock, meanwhile=lambda: stop.cancel("interrupted"))

    with pytest.raises(InterruptedRunError), keep_lease(lock, waiting(300), clock=clock, stop=stop):
        pytest.fail("it was locked")


# -- a whole run ---------------------------------------------------------------------------------------------------


def lock_stage(stage: Stage, scene: Scene) -> None:
    """Has the stage run under the scene's lock, remembered by its journal."""
    stage.journal = scene.journal
    lease = scene.keeper.lease
    stage.job = replace(
        stage.job,
        writer=JournalWriter(Run(id="7f3a"), scene.journal, lease.fence),
        stop=scene.stop,
        guard=scene.keeper.check,
        takeover=lease.takeover,
        environment="prod",
    )


def pause_after(scene: Scene, kind: type[Event]) -> None:
    """Stops the run's clock hand for as long as its lease lasts, once such an event is written."""
    append = scene.journal.append

    def paused(run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        written = append(run, fence, events)
        if any(isinstance(event, kind) for event in events):
            scene.clock.advance(LEASE_SECONDS)
        return written

    scene.journal.append = paused


@pytest.mark.timeout(120)
def test_a_run_whose_environment_is_taken_over_ends_without_another_change() -> None:
    scene, world = Scene(), World()
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, world=world)
    stage.replace_step(Toy(world, "b", after=lambda *_: scene.lose()))
    lock_stage(stage, scene)

    with pytest.raises(LockLostError, match="Run 7f3a no longer holds environment 'prod'"):
        act(stage)

    assert world.what_was("apply") == ["a", "b"]
    assert world.what_was("undo") == []
    told = [type(record.event) for record in scene.journal.records("7f3a")]
    assert told[-1] is LockTakenOver
    assert RunFinished not in told


@pytest.mark.timeout(120)
def test_what_was_written_before_the_takeover_is_not_acted_on_after_it() -> None:
    """The pause falls between the journal's answer and the change."""
    scene, world = Scene(), World()
    stage = Stage({"a": []}, world=world)
    lock_stage(stage, scene)
    pause_after(scene, StepObserved)

    run = act(stage)

    assert world.what_was("apply") == []
    assert run.verdict == "timed-out"
    assert "stops before its lease on 'prod' ends" in run.reason
    assert stage.told(StepInDoubt) == ["a"]
    assert scene.stop.cancelled_now


@pytest.mark.timeout(120)
def test_a_rollback_that_loses_its_environment_is_left_to_be_resumed() -> None:
    scene, world = Scene(), World()
    stage = Stage({"a": [], "b": ["a"]}, world=world)
    stage.replace_step(Toy(world, "b", before=fails(PermanentError("It broke."))))
    stage.replace_step(Toy(world, "a", undo=lambda *_: pytest.fail("it may not be undone")))
    lock_stage(stage, scene)
    pause_after(scene, RollbackStarted)

    with pytest.raises(LockLostError):
        act(stage)

    assert "a" not in stage.told(StepCompensated)
    assert stage.job.run.rolling_back
    assert stage.job.run.verdict is None


def test_the_journal_of_who_took_over_says_from_whom() -> None:
    scene = Scene(earlier="91c2")
    stage = Stage({"a": []})
    lock_stage(stage, scene)

    act(stage)

    takeover, taken = [record.event for record in scene.journal.records("7f3a")][1:3]
    assert isinstance(takeover, LockTakenOver)
    assert isinstance(taken, LockTaken)
    assert (takeover.from_run, takeover.to_run) == ("91c2", "7f3a")
    assert scene.journal.records("91c2")[-1].event == takeover


def test_the_lease_counts_from_before_it_was_asked_for() -> None:
    clock = FakeClock()

    class Slow(FakeLock):
        def take(self, environment: str, run: str, holder: str) -> Lease:
            lease = super().take(environment, run, holder)
            clock.advance(LEASE_SECONDS)
            return lease

    with (
        keep_lease(Slow(clock), REQUEST, clock=clock, stop=CancellationToken()) as keeper,
        pytest.raises(LockLostError),
    ):
        keeper.check()


def test_the_longest_call_is_as_long_as_the_clients_let_it_be() -> None:
    assert CALL_SECONDS >= CONNECT_TIMEOUT + READ_TIMEOUT


def test_a_wish_to_stop_is_one_for_the_next_safe_point() -> None:
    scene = Scene()
    scene.keeper.look()
    assert not scene.stop.cancelled

    scene.lock.cancel("prod", "7f3a", "ada@laptop")
    scene.keeper.look()

    assert (scene.stop.cancelled, scene.stop.cancelled_now, scene.stop.timed_out) == (True, False, False)
    assert scene.stop.reason == "cancelled by ada@laptop"
    scene.keeper.check()


def test_a_store_that_does_not_tell_of_wishes_stops_nobody() -> None:
    class Mute(FakeLock):
        def cancelled(self, lease: Lease) -> str:
            raise TransientError("S3 cannot be reached.")

    lock, stop, clock = Mute(), CancellationToken(), FakeClock()
    lease = lock.take("prod", "7f3a", "ci")
    keeper = LeaseKeeper(lock, lease, since=clock.monotonic(), clock=clock, stop=stop)

    keeper.look()

    assert not stop.cancelled


@pytest.mark.timeout(120)
def test_a_run_that_is_cancelled_from_elsewhere_ends_as_by_ctrl_c() -> None:
    world = World()
    lock = FakeLock()
    lock.look_seconds = 0.01
    stage = Stage({"a": [], "gate": ["a"], "later": ["gate"]}, Watch(world, "gate", for_ever), world=world)
    told: list[str] = []

    def cancel(_toy: Toy, _progress: object) -> None:
        lock.cancel("test", "7f3a", "ada@laptop")

    stage.replace_step(Toy(world, "a", after=cancel))
    request = replace(REQUEST, environment="test")
    with keep_lease(lock, request, clock=stage.job.clock, stop=stage.stop, tell=told.append):
        run = act(stage)

    assert (run.verdict, run.exit_code) == ("interrupted", 130)
    assert run.reason == "cancelled by ada@laptop; done so far: a"
    assert told == ["Cancelled by ada@laptop: stopping at the next safe point."]
    assert world.what_was("undo") == []
    assert threads() == []
