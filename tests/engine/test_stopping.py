"""What a request to stop, a deadline, a broken journal and a broken listener do to a run."""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lgtm_deploy.core.errors import (
    ExpiredCredentialsError,
    InDoubtError,
    InterruptedRunError,
    JournalError,
    PermanentError,
)
from lgtm_deploy.core.event import (
    Event,
    Record,
    RunFinished,
    StepInDoubt,
    StepProgressed,
    StepSkipped,
    StepStarted,
    StepSucceeded,
)
from lgtm_deploy.core.gate import Gate
from lgtm_deploy.core.ports import Noted
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.scheduler import EventRecorder, Scheduler
from lgtm_deploy.fakes.clock import FakeClock
from tests.engine.acting import act, resumed
from tests.engine.toys import LocalToy, Outputs, Stage, Toy, Watch, WatchedJournal, World, fails, for_ever, in_a_row

AT = datetime(2026, 1, 16, tzinfo=UTC)


def test_asked_to_stop_a_run_ends_what_waits_and_lets_changes_end() -> None:
    world = World()
    stage = Stage({"first": [], "slow": ["first"], "gate": ["first"], "later": ["slow"]}, world=world)
    stage.replace_step(Watch(world, "gate", for_ever))

    def ask_then_go_on(_toy: Toy, progress: object) -> None:
        assert callable(progress)
        stage.stop.cancel("interrupted")
        progress("still at it")

    stage.replace_step(Toy(world, "slow", before=ask_then_go_on))

    run = act(stage)

    assert (run.verdict, run.reason) == ("interrupted", "interrupted; done so far: first, slow")
    assert run.steps["slow"].status == "succeeded"
    assert run.steps["gate"].kind == "interrupted"
    assert stage.told(StepSkipped) == ["later"]
    assert world.what_was("undo") == []
    assert exit_code(stage) == 130


EXPIRED = ExpiredCredentialsError("The token has expired (ExpiredTokenException).", resolution="Log in again.")


def test_with_expired_credentials_a_run_ends_resumable_and_undoes_nothing() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, world=world)
    stage.replace_step(Toy(world, "b", before=fails(EXPIRED, times=9)))

    run = act(stage)

    assert run.verdict == "timed-out"
    assert "The token has expired" in run.reason
    assert "Log in again." in run.reason
    assert world.what_was("undo") == []
    assert stage.told(StepInDoubt) == ["b"]


def test_credentials_that_are_fresh_again_at_the_next_try_end_a_run_well() -> None:
    world = World()
    stage = Stage({"a": []}, world=world)
    expired = [EXPIRED]

    def once(_toy: Toy, _progress: object) -> None:
        if expired:
            raise expired.pop()

    stage.replace_step(Toy(world, "a", before=once))

    assert act(stage).verdict == "deployed"


def test_a_rollback_waits_for_credentials_that_have_expired() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, world=world)
    stage.replace_step(Toy(world, "b", before=fails(PermanentError("It broke."))))
    stage.replace_step(Toy(world, "a", undo=fails(EXPIRED, times=9)))

    run = act(stage)

    assert (run.verdict, exit_code(stage)) == ("timed-out", 5)
    assert "has expired (ExpiredTokenException). The way back waits for that. Log in again." in run.reason
    goes_on_backwards(stage)


def test_a_rollback_is_not_stopped_by_a_request_or_a_deadline() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, world=world)
    stage.replace_step(Toy(world, "b", before=fails(PermanentError("It broke."))))

    def asked(_toy: Toy, progress: object) -> None:
        assert callable(progress)
        stage.stop.cancel("interrupted")
        stage.stop.cancel_now("the time allowed for the run is over", timed_out=True)
        progress("still at it")

    stage.replace_step(Toy(world, "a", undo=asked))

    assert act(stage).verdict == "rolled-back"


def test_whoever_insists_stops_a_rollback_which_goes_on_backwards_later() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, world=world)
    stage.replace_step(Toy(world, "c", before=fails(PermanentError("It broke."))))

    def insisted(_toy: Toy, progress: object) -> None:
        assert callable(progress)
        stage.stop.cancel("terminated")
        stage.stop.cancel_now("terminated")
        progress("still at it")

    stage.replace_step(Toy(world, "b", undo=insisted))

    run = act(stage)

    assert (run.verdict, exit_code(stage)) == ("interrupted", 130)
    assert run.reason == "on the way back (c: It broke.): terminated"
    assert (run.steps["a"].acted, run.steps["b"].acted) == (True, True)
    goes_on_backwards(stage)
    assert world.what_was("undo") == ["b", "b", "a"]


def goes_on_backwards(stage: Stage) -> None:
    """Somebody resumes the run, and it ends where it began."""
    resumed(stage)
    for name in stage.job.steps:
        if name != "c":
            stage.replace_step(Toy(stage.world, name))

    run = act(stage)

    assert (run.verdict, stage.world.state.get("a", "old")) == ("rolled-back", "old")
    assert "It broke." in run.reason


def exit_code(stage: Stage) -> int:
    last = stage.events[-1]
    assert isinstance(last, RunFinished)
    return last.exit_code


def test_insisted_on_a_change_under_way_ends_in_doubt() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, world=world)

    def insisted(_toy: Toy, progress: object) -> None:
        assert callable(progress)
        stage.stop.cancel("interrupted")
        stage.stop.cancel_now("interrupted twice")
        progress("still at it")

    stage.replace_step(Toy(world, "a", before=insisted))

    run = act(stage)

    assert stage.told(StepInDoubt) == ["a"]
    assert (run.verdict, exit_code(stage)) == ("interrupted", 130)
    assert run.reason == "a: stopped on the way: interrupted; done so far: a"


def test_a_change_that_was_killed_is_not_looked_at_when_there_is_no_time_left() -> None:
    class Counted(Toy):
        looks = 0

        def observe(self, inputs):  # type: ignore[no-untyped-def]
            self.looks += 1
            return super().observe(inputs)

    world = World()
    stage = Stage({"a": []}, world=world)

    def killed(_toy: Toy, _progress: object) -> None:
        stage.stop.cancel_now("terminated")
        raise InDoubtError("Terraform was killed.")

    step = Counted(world, "a", before=killed)
    stage.replace_step(step)

    run = act(stage)

    assert (stage.told(StepInDoubt), run.verdict) == (["a"], "interrupted")
    # Once by the preview and once before it acted.
    assert step.looks == 2


def test_what_a_step_notes_for_later_is_in_the_journal() -> None:
    def noting(_toy: Toy, progress: object) -> None:
        assert callable(progress)
        progress(Noted("holding the state's lock 7d1c", state_lock="7d1c", process="4711"))
        progress("on")

    world = World()
    stage = Stage({"a": []}, Toy(world, "a", before=noting), world=world)

    act(stage)

    told = [event for event in stage.events if isinstance(event, StepProgressed)]
    assert [(each.message, each.facts) for each in told] == [
        ("holding the state's lock 7d1c", {"state_lock": "7d1c", "process": "4711"}),
        ("on", None),
    ]


def test_a_stop_that_comes_when_all_is_done_changes_nothing() -> None:
    stage = Stage({"a": []})
    stage.replace_step(Toy(stage.world, "a", after=lambda *_: stage.stop.cancel("interrupted")))

    assert act(stage).verdict == "deployed"


@pytest.mark.timeout(120)
def test_the_deadline_of_a_run_ends_it_undecided() -> None:
    world, clock = World(), FakeClock()

    def over(looks: int) -> Gate[Outputs]:
        if looks == 1:
            # After the run's deadline, and before the gate's own.
            clock.advance(2.0)
        return for_ever(looks)

    stage = Stage({"a": [], "gate": ["a"]}, Watch(world, "gate", over), world=world)
    stage.job = replace(stage.job, clock=clock, deadline=1.0)

    run = act(stage)

    assert (run.verdict, exit_code(stage)) == ("timed-out", 5)
    assert run.reason == "the time allowed for the run is over; done so far: a"
    assert world.what_was("undo") == []


def test_the_deadline_is_noticed_however_busy_the_run_is() -> None:
    chain = {f"s{index}": [f"s{index - 1}"] if index else [] for index in range(300)}
    world = World()
    steps = [Toy(world, name, before=lambda *_: threading.Event().wait(0.002)) for name in chain]
    stage = Stage(chain, *steps, world=world, seconds=0.05)

    run = act(stage)

    assert run.verdict == "timed-out"
    assert len(stage.told(StepStarted)) < len(chain)


def test_a_stop_reaches_a_pause_of_a_child_soon() -> None:
    parent = CancellationToken()
    child = CancellationToken(parent=parent)
    threading.Timer(0.01, parent.cancel, args=["enough"]).start()

    with pytest.raises(InterruptedRunError, match="enough"):
        child.pause(60)


def test_a_child_that_is_asked_does_not_stop_its_parent() -> None:
    parent = CancellationToken()
    CancellationToken(parent=parent).cancel("a step failed")

    assert not parent.cancelled


def test_the_first_reason_to_stop_is_kept() -> None:
    stop = CancellationToken()
    stop.cancel("interrupted")
    stop.cancel_now("too late", timed_out=True)

    assert (stop.reason, stop.timed_out, stop.cancelled_now) == ("interrupted", False, True)


def test_a_patient_caller_stops_only_when_someone_insists() -> None:
    stop = CancellationToken()
    stop.cancel("interrupted")
    stop.check(patient=True)

    stop.cancel_now("interrupted twice")
    with pytest.raises(InterruptedRunError):
        stop.check(patient=True)


def test_a_listener_that_raises_fails_no_run_and_is_not_asked_again() -> None:
    heard: list[Record] = []

    def broken(_run: object, record: Record) -> None:
        heard.append(record)
        raise BrokenPipeError

    counted: list[Record] = []
    stage = Stage({"a": []}, listeners=[broken, lambda _, record: counted.append(record)])

    assert act(stage).verdict == "deployed"
    assert len(heard) == 1
    assert len(counted) == len(stage.events)


class FullDisk(WatchedJournal):
    """Refuses to write an event of that name."""

    def __init__(self, world: World, refused: str) -> None:
        super().__init__(world)
        self._refused = refused

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        if any(f"{type(event).__name__} {event.step}" == self._refused for event in events):
            raise JournalError("The disk is full.")
        return super().append(run, fence, events)


@pytest.mark.parametrize("refused", ["StepStarted a", "StepObserved a", "StepSucceeded a", "StepObserved b"])
@pytest.mark.timeout(120)
def test_a_journal_that_cannot_be_written_ends_the_run_and_hangs_nobody(refused: str) -> None:
    world = World()
    needs = {"first": [], "gate": ["first"], "a": ["first"], "b": ["first"], "c": ["a", "b"]}
    stage = Stage(needs, Watch(world, "gate", for_ever), world=world)
    stage.write_to(FullDisk(world, refused))

    with pytest.raises(JournalError, match="The disk is full"):
        act(stage)

    assert threads() == []
    if refused == "StepObserved a":
        assert "apply a" not in world.log
    assert "apply c" not in world.log


@pytest.mark.timeout(120)
def test_steps_that_ran_ahead_of_a_full_disk_end_with_it() -> None:
    names = [f"s{each}" for each in range(200)]
    stage = Stage(in_a_row(names))
    for name in names[1:]:
        stage.replace_step(LocalToy(stage.world, name, after=lambda *_: time.sleep(0.001)))
    stage.write_to(FullDisk(stage.world, "StepSucceeded s5"))

    with pytest.raises(JournalError, match="The disk is full"):
        act(stage)

    assert threads() == []
    assert "apply s199" not in stage.world.log
    assert "s5" not in stage.told(StepSucceeded)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("worker")]


@pytest.mark.timeout(120)
def test_a_crash_of_a_worker_is_raised_when_all_workers_have_ended() -> None:
    world = World()
    heard: list[str] = []

    def crash(_recorder: EventRecorder) -> None:
        raise ZeroDivisionError

    def swear(recorder: EventRecorder) -> None:
        try:
            while True:
                recorder.record_durably(StepProgressed(at=AT, step="b", message="still there"))
        except JournalError as error:
            heard.append(str(error))

    scheduler: Scheduler[None] = Scheduler(
        writer=JournalWriter(Run(id="7f3a"), WatchedJournal(world), 1),
        parallelism=2,
        start=lambda name: (None, crash if name == "a" else swear),
        end=lambda name, _: (StepProgressed(at=AT, step=name, message="ended"), True),
        abandon=lambda: heard.append("abandoned"),
    )

    with pytest.raises(ZeroDivisionError):
        scheduler.run({"b": (), "a": ()})

    assert heard == ["abandoned", "The run's journal can no longer be written."]
    assert threads() == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("started", [0, 1])
def test_a_machine_that_gives_no_more_threads_ends_the_run_and_hangs_nobody(
    started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, given = threading.Thread.start, iter(range(started))

    def stingy(thread: threading.Thread) -> None:
        if thread.name.startswith("worker") and next(given, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", stingy)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        act(Stage({"a": [], "b": ["a"], "c": ["a"]}))

    assert threads() == []


def test_a_signal_that_comes_at_any_moment_of_a_pause_is_heeded() -> None:
    """A handler runs in the thread that pauses, between any two of its lines: of each in turn."""
    asked_at: list[int] = []

    def pause(moment: int) -> bool:
        """Whether there was such a moment."""
        stop, passed = CancellationToken(), 0

        def trace(_frame: object, event: str, _argument: object) -> Any:
            nonlocal passed
            if event == "line":
                passed += 1
                if passed == moment:
                    stop.cancel("interrupted")
            return trace

        sys.settrace(trace)
        try:
            stop.pause(0.005)
        except InterruptedRunError:
            asked_at.append(moment)
        finally:
            sys.settrace(None)
        return passed >= moment

    def every_moment() -> None:
        moment = 1
        while pause(moment):
            moment += 1

    thread = threading.Thread(target=every_moment, daemon=True)
    thread.start()
    thread.join(30)

    assert not thread.is_alive(), f"it waits for itself when it is asked after line {asked_at[-1:]} of the pause"
    # One that is asked when the pause is over already is not told by it.
    assert asked_at == list(range(1, len(asked_at) + 1))
    assert len(asked_at) > 10


def test_a_pause_ends_when_another_thread_asks() -> None:
    stop = CancellationToken()
    child = stop.child()
    for each in (stop, child):
        timer = threading.Timer(0.01, each.cancel, ["interrupted"])
        timer.start()
        with pytest.raises(InterruptedRunError):
            each.pause(60)
        timer.join()
