"""A step has a secret variable's value, in whatever process; the journal, listeners and hooks never do."""

from dataclasses import replace
from typing import Any

from lgtm_deploy.core.errors import InterruptedRunError, PermanentError
from lgtm_deploy.core.event import RESUMABLE, Record, StepFailed, StepStarted
from lgtm_deploy.core.masks import Masks, is_of
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.wire import encode
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.conduct import Decisions
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.undo import undo
from tests.engine.acting import HookLog, act
from tests.engine.toys import Inputs, Outputs, Seen, Stage, Toy, World, fails, value_of, variable

VALUE = "correct horse battery"
MASKS = Masks(values={"token": VALUE}, salt="salt")


class Keyed(Toy):
    """One that needs its key to undo, too, and sees it."""

    def observe(self, inputs: Inputs) -> Seen:
        return Seen(state=self.world.state.get(self.name, f"made with {inputs.value}"))

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        self.inputs.append(inputs)
        super().compensate(inputs, seen, progress)

    def restored(self, inputs: Inputs, seen: Seen) -> Any:
        self.world.state.setdefault(self.name, f"made with {inputs.value}")
        return super().restored(inputs, seen)


class Handing(Toy):
    """One whose output holds its key."""

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        super().apply(inputs, seen, progress)
        return Outputs(value=f"made of {inputs.value}")


def secretive(*toys: Toy, world: World, listeners: Any = (), **needs: Any) -> Stage:
    stage = Stage(needs, *toys, world=world).rewrite("a", inputs=Inputs(value=variable("token")))
    writer = JournalWriter(Run(id="7f3a"), stage.journal, 1, listeners, MASKS)
    stage.job = replace(stage.job, variables={"token": VALUE, "plain": "x"}, writer=writer)
    return stage


def written(stage: Stage) -> str:
    return "\n".join(encode(record) for record in stage.journal.records("7f3a"))


def test_the_step_has_the_value_and_the_journal_a_mask_and_a_fingerprint() -> None:
    world = World()
    toy = Toy(world, "a")
    told: list[str] = []

    def listen(run: Run, record: Record) -> None:
        told.append(f"{run} {record}")

    stage = secretive(toy, world=world, a=(), listeners=[listen])

    run = act(stage)

    assert run.verdict == "deployed"
    assert toy.inputs == [Inputs(value=VALUE)]
    assert VALUE not in written(stage)
    assert VALUE not in "".join(told)
    (started,) = (event for event in stage.events if isinstance(event, StepStarted))
    assert started.inputs == {"value": "${{ vars.token }}", "values": {}}
    kept = Run(id="7f3a").folded(stage.events).variables
    assert kept["plain"] == "x"
    assert is_of(kept["token"], VALUE)


def test_an_error_that_holds_the_value_is_told_without_it() -> None:
    world = World()
    hooks = HookLog()
    stage = secretive(Toy(world, "a", before=fails(PermanentError(f"{VALUE} is wrong"))), world=world, a=())
    stage.job = replace(stage.job, plan=replace(stage.job.plan, hooks=replace(stage.plan.hooks, failed=(("say",),))))

    act(stage, hooks=hooks)

    (failed,) = (event for event in stage.events if isinstance(event, StepFailed))
    assert failed.reason == "${{ vars.token }} is wrong"
    assert VALUE not in written(stage)
    assert VALUE not in str(hooks.environments)


def test_another_process_undoes_with_the_value_and_to_what_was_seen() -> None:
    world = World()
    toy = Keyed(world, "a")
    stage = secretive(toy, world=world, a=())
    act(stage)
    run = Run(id="7f3a").folded(stage.events)
    assert VALUE not in str(run)

    stage.stop = CancellationToken()
    writer = JournalWriter(run, stage.journal, 2, (), MASKS)
    stage.job = replace(stage.job, writer=writer, stop=stage.stop)
    undone = undo(stage.job, Decisions(approve=lambda _: True), HookLog(), by="you@there")

    assert undone.verdict == "rolled-back"
    assert toy.inputs == [Inputs(value=VALUE), Inputs(value=VALUE)]
    assert world.state["a"] == f"made with {VALUE}"
    assert VALUE not in written(stage)


def test_another_process_goes_on_with_the_value_and_with_outputs_that_hold_it() -> None:
    world = World()
    first, second = Handing(world, "a"), Toy(world, "b", before=fails(InterruptedRunError("stopped"), times=1))
    stage = secretive(first, second, world=world, a=(), b=("a",)).rewrite("b", inputs=Inputs(value=value_of("a")))
    stopped = act(stage)
    assert VALUE not in written(stage)

    writer = JournalWriter(Run(id="7f3a").folded(stage.events), stage.journal, 2, (), MASKS)
    stage.job = replace(stage.job, writer=writer, stop=CancellationToken())
    run = act(stage)

    assert stopped.verdict in RESUMABLE
    assert run.verdict == "deployed"
    assert second.inputs == [Inputs(value=f"made of {VALUE}")] * 2
    assert VALUE not in written(stage)
