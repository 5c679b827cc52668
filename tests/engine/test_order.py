"""Which step runs when, and what is on disk before it does."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgtm_deploy.core.event import Event, Record, StepProgressed, StepStarted, StepSucceeded, StepUnchanged
from lgtm_deploy.core.gate import Open
from lgtm_deploy.core.run import Run
from tests.engine.acting import act
from tests.engine.toys import (
    Inputs,
    LocalToy,
    Outputs,
    Stage,
    Toy,
    Watch,
    WatchedJournal,
    World,
    for_ever,
    in_a_row,
    until,
    value_of,
    variable,
    wait_until,
)

WIDE = 200


def test_outputs_reach_the_step_that_refers_to_them() -> None:
    stage = Stage({"a": [], "b": ["a"]})
    stage.rewrite("b", inputs=Inputs(value=value_of("a"), values={"where": variable("place")}))
    stage.job = replace(stage.job, variables={"place": "test"})

    run = act(stage)

    b = stage.job.steps["b"]
    assert run.verdict == "deployed"
    assert isinstance(b, Toy)
    assert [inputs.value for inputs in b.inputs] == ["a"]
    assert run.steps["b"].inputs == {"value": "a", "values": {"where": "test"}}


def test_that_a_step_starts_and_what_it_saw_is_on_disk_before_it_acts() -> None:
    stage = Stage({"a": [], "b": ["a"], "c": []})
    stage.write_to(SlowJournal(stage.world))

    act(stage)

    log = stage.world.log
    for step in "abc":
        told = [log.index(f"{what} {step}") for what in ("StepStarted", "StepObserved", "apply", "StepSucceeded")]
        assert told == sorted(told)
    assert log.index("StepSucceeded a") < log.index("apply b")


def test_listeners_hear_only_what_is_on_disk_and_in_its_order() -> None:
    world = World()
    stage = Stage({"a": [], "b": ["a"]}, world=world, listeners=[lambda _, record: world.did(f"heard {record.seq}")])

    act(stage)

    assert world.what_was("heard") == [str(seq) for seq in range(1, len(stage.events) + 1)]
    for seq, event in enumerate(stage.events, start=1):
        assert world.log.index(f"{type(event).__name__} {event.step}".strip()) < world.log.index(f"heard {seq}")


def test_a_listener_sees_the_run_as_it_was_at_that_event() -> None:
    verdicts: list[tuple[str, int]] = []

    def listen(run: Run, record: object) -> None:
        verdicts.append((run.verdict or "", run.completed))

    stage = Stage({"a": [], "b": ["a"]}, listeners=[listen])
    act(stage)

    assert verdicts[-1] == ("deployed", 2)
    assert ("", 1) in verdicts
    assert [count for _, count in verdicts] == sorted(count for _, count in verdicts)


class SlowJournal(WatchedJournal):
    """Takes its time to have something on disk; meanwhile others say what they have to say."""

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        time.sleep(0.002)
        return super().append(run, fence, events)


@pytest.mark.parametrize("effect", ["nothing to do", "changes"])
def test_a_wide_graph_is_written_in_few_batches(effect: str) -> None:
    world = World()
    names = [f"s{index}" for index in range(WIDE)]
    if effect == "nothing to do":
        world.state.update(dict.fromkeys(names, "new"))
    stage = Stage({name: [] for name in names}, world=world, parallelism=50)
    stage.write_to(SlowJournal(world))

    run = act(stage)

    ended = stage.told(StepUnchanged) if effect == "nothing to do" else stage.told(StepSucceeded)
    assert run.verdict == ("unchanged" if effect == "nothing to do" else "deployed")
    assert len(ended) == WIDE
    assert stage.journal.appends < WIDE / 4


def test_every_event_is_announced_by_the_coordinator_thread() -> None:
    names: set[str] = set()

    def listen(_run: Run, _record: object) -> None:
        names.add(threading.current_thread().name)

    act(Stage({name: [] for name in "abcd"}, listeners=[listen]))

    assert names == {threading.current_thread().name}


def test_one_step_ends_and_the_next_starts_with_one_sync() -> None:
    stage = Stage(in_a_row([f"s{each}" for each in range(30)]))
    act(stage)
    begin_and_verdict = 2

    # And one more for each: what it saw is on disk before it acts.
    assert stage.journal.appends == 30 + 1 + 30 + begin_and_verdict


@pytest.mark.parametrize("kind", [LocalToy, Watch])
def test_local_and_read_only_steps_in_a_row_need_one_sync_each(kind: type[LocalToy | Watch]) -> None:
    stage = Stage(in_a_row([f"s{each}" for each in range(30)]))
    for name in stage.graph.nodes:
        stage.replace_step(kind(stage.world, name))

    assert act(stage).verdict == "unchanged"
    begin_and_verdict = 2
    assert stage.journal.appends == 30 + 1 + begin_and_verdict


class StuckJournal(WatchedJournal):
    """Has that event on disk only once something else has happened."""

    def __init__(self, world: World, event: str, ready: Callable[[], bool]) -> None:
        super().__init__(world)
        self._event = event
        self._ready = ready

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        if any(f"{type(event).__name__} {event.step}" == self._event for event in events):
            wait_until(self._ready)
        return super().append(run, fence, events)


def test_a_step_that_changes_nothing_outside_does_not_wait_for_the_disk() -> None:
    stage = Stage({"a": [], "b": ["a"]})
    stage.replace_step(LocalToy(stage.world, "b"))
    stage.write_to(StuckJournal(stage.world, "StepSucceeded a", lambda: "apply b" in stage.world.log))

    assert act(stage).verdict == "deployed"
    assert stage.told(StepSucceeded) == ["a", "b"]


def test_a_step_that_changes_something_waits_until_all_before_it_is_on_disk() -> None:
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]}, parallelism=2)
    stage.replace_step(LocalToy(stage.world, "b"))
    c = stage.job.steps["c"]
    assert isinstance(c, Toy)
    looked: list[int] = []

    def applied_and_then_some() -> bool:
        looked.append(c.observed)
        return "apply b" in stage.world.log and len(looked) > 20

    stage.write_to(StuckJournal(stage.world, "StepSucceeded a", applied_and_then_some))

    act(stage)

    assert len(looked) > 20
    assert set(looked) == {1}, "the preview has looked; nobody else may before what comes before it is on disk"
    log = stage.world.log
    assert (
        log.index("StepSucceeded a") < log.index("StepSucceeded b") < log.index("StepStarted c") < log.index("apply c")
    )


def test_no_more_steps_act_at_once_than_allowed() -> None:
    world = World()
    steps = [Toy(world, f"s{index}", before=lambda *_: threading.Event().wait(0.002)) for index in range(12)]
    stage = Stage({step.name: [] for step in steps}, *steps, world=world, parallelism=3)

    act(stage)

    assert world.busiest <= 3


def test_independent_steps_act_at_the_same_time() -> None:
    world = World()
    together = threading.Barrier(3, timeout=60)
    steps = [Toy(world, name, before=lambda *_: together.wait() and None) for name in "abc"]
    stage = Stage({"a": [], "b": [], "c": []}, *steps, world=world, parallelism=3)

    assert act(stage).verdict == "deployed"
    assert world.busiest == 3


def test_a_step_starts_as_soon_as_its_own_needs_are_done() -> None:
    world = World()
    slow = Toy(world, "slow", before=until(lambda: "apply b" in world.log))
    stage = Stage({"slow": [], "a": [], "b": ["a"]}, slow, world=world)

    assert act(stage).verdict == "deployed"


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_the_graph_nothing_starts_before_its_needs_are_done(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 10))
    names = [f"s{index}" for index in range(count)]
    needs: dict[str, Sequence[str]] = {
        name: data.draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }
    idle = data.draw(st.sets(st.sampled_from(names)))
    stage = Stage(needs, parallelism=data.draw(st.integers(1, 4)))
    stage.world.state.update(dict.fromkeys(idle, "new"))

    run = act(stage)

    done: set[str] = set()
    for event in stage.events:
        if isinstance(event, StepStarted):
            assert done.issuperset(needs[event.step])
        elif isinstance(event, StepSucceeded | StepUnchanged):
            done.add(event.step)
    assert done == set(names)
    assert sorted(stage.world.what_was("apply")) == sorted(set(names) - idle)
    assert run.verdict == ("unchanged" if idle == set(names) else "deployed")


def test_a_gate_is_looked_at_until_it_opens() -> None:
    world = World()
    gate = Watch(world, "gate", lambda looks: for_ever(looks) if looks < 4 else Open(outputs=Outputs(value="there")))
    stage = Stage({"gate": [], "b": ["gate"]}, gate, world=world)

    assert act(stage).verdict == "deployed"
    assert gate.looks == 4
    assert stage.told(StepProgressed) == ["gate"], "the same reason is told once"
