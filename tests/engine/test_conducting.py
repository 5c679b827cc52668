"""One run from its first event to its verdict: what comes before anything acts, the question, and the hooks."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from lgtm_deploy.core.errors import (
    DeadlineError,
    InterruptedRunError,
    NotFoundError,
    PermanentError,
    RefusedError,
    TransientError,
)
from lgtm_deploy.core.event import HookFinished, RunFinished, RunStarted, StepSkipped
from lgtm_deploy.core.plan import Hooks
from lgtm_deploy.core.preview import Preview, PreviewLine
from lgtm_deploy.engine.conduct import Decisions, foresee
from lgtm_deploy.fakes import FakeClock
from tests.engine.acting import HookLog, act, act_if
from tests.engine.toys import Inputs, LocalToy, Seen, Stage, Toy, Watch, World, fails, for_ever, value_of


def look_ahead(stage: Stage) -> Preview:
    return foresee(stage.job, stack="lgtm", by="me")


def test_a_run_tells_first_what_it_is() -> None:
    stage = Stage({"a": [], "b": ["a"]})

    act(stage)

    first = stage.events[0]
    assert isinstance(first, RunStarted)
    assert (first.plan, first.stack, first.environment, first.by) == ("toys", "lgtm", "test", "me@here")
    assert first.steps == {"a": (), "b": ("a",)}


def test_a_run_and_its_preview_tell_the_base_images_that_they_stand_on() -> None:
    images = {"tempo": "loaded image"}
    stage = Stage({"a": []})
    stage.job = replace(stage.job, base_images=images)
    previews: list[Preview] = []

    def approve(preview: Preview) -> bool:
        previews.append(preview)
        return True

    run = act_if(stage, Decisions(approve=approve))

    assert (run.base_images, previews[0].base_images) == (images, images)


def test_what_touches_only_this_machine_is_done_before_the_question() -> None:
    world = World()
    done: list[str] = []

    def approve(_: Preview) -> bool:
        done.extend(world.what_was("apply"))
        return False

    local, after = LocalToy(world, "local"), LocalToy(world, "after")
    stage = Stage({"local": [], "remote": ["local"], "after": ["remote"]}, local, after, world=world)

    run = act_if(stage, Decisions(approve=approve))

    assert done == world.what_was("apply") == ["local"]
    assert (run.verdict, run.reason) == ("refused", "the change was not approved")
    assert stage.told(StepSkipped) == ["remote", "after"]


def test_who_interrupts_the_question_interrupts_the_run() -> None:
    stage = Stage({"a": []})

    def approve(_: Preview) -> bool:
        stage.stop.cancel("interrupted at the question")
        return False

    run = act_if(stage, Decisions(approve=approve))

    assert (run.verdict, run.reason) == ("interrupted", "interrupted at the question")


def test_the_preview_says_what_would_change_and_what_would_not() -> None:
    stage = Stage({"idle": [], "a": ["idle"], "b": ["a"], "gate": ["b"]})
    stage.replace_step(Watch(stage.world, "gate"))
    stage.world.state["idle"] = "new"
    stage.rewrite("a", inputs=Inputs(value="in test"))
    stage.rewrite("b", inputs=Inputs(value=value_of("a")), title="do b in test")

    seen = look_ahead(stage)

    assert seen.unchanged == ("idle",)
    assert seen.lines == (
        PreviewLine(step="a", change="turn a", details=("value in test",)),
        PreviewLine(step="b", change="do b in test"),
    )
    assert seen.changes
    assert stage.world.what_was("apply") == []


def test_steps_after_one_with_nothing_to_do_are_foreseen_by_its_outputs() -> None:
    stage = Stage({"a": [], "b": ["a"], "c": ["b"]})
    stage.world.state.update({"a": "new", "b": "new", "c": "new"})
    stage.rewrite("b", inputs=Inputs(value=value_of("a")))
    stage.rewrite("c", inputs=Inputs(value=value_of("b")))

    seen = look_ahead(stage)

    assert not seen.changes
    assert seen.unchanged == ("a", "b", "c")


class Meeting(Toy):
    """Looks when all that it waits for look, too."""

    def __init__(self, world: World, name: str, others: threading.Barrier) -> None:
        super().__init__(world, name)
        self._others = others

    def observe(self, inputs: Inputs) -> Seen:
        self._others.wait()
        return super().observe(inputs)


def test_steps_look_ahead_at_the_same_time_but_those_that_are_told_where_to() -> None:
    stage = Stage({"a": [], "b": [], "c": ["a", "b"], "d": ["a"], "e": ["b"]})
    for name in ("d", "e"):
        stage.rewrite(name, inputs=Inputs(value=value_of("b")))
    firsts, seconds = threading.Barrier(3, timeout=60), threading.Barrier(2, timeout=60)
    for name, others in {"a": firsts, "b": firsts, "c": firsts, "d": seconds, "e": seconds}.items():
        stage.replace_step(Meeting(stage.world, name, others))
    stage.world.state.update({"b": "new", "d": "new"})

    seen = look_ahead(stage)

    assert seen.unchanged == ("b", "d")
    assert [line.step for line in seen.lines] == ["a", "c", "e"]


class Missing(Toy):
    def observe(self, inputs: Inputs) -> Seen:
        raise NotFoundError("There is no service 'x'.", resolution="Look.")


def test_a_step_that_cannot_look_refuses_the_run_before_anything_acts() -> None:
    stage = Stage({"a": [], "b": ["a"]})
    stage.replace_step(Missing(stage.world, "b"))

    run = act(stage)

    assert (run.verdict, run.reason) == ("refused", "There is no service 'x'. Look.")
    assert stage.world.what_was("apply") == []


def test_looking_ahead_refuses_where_a_run_would() -> None:
    stage = Stage({"a": []})
    stage.replace_step(LocalToy(stage.world, "a", before=fails(PermanentError("It does not build."))))

    with pytest.raises(RefusedError, match="a: It does not build"):
        look_ahead(stage)


def test_looking_ahead_tells_an_interruption_and_lateness_from_a_refusal() -> None:
    stopped = Stage({"gate": []})
    stopped.replace_step(Watch(stopped.world, "gate", for_ever))
    stopped.stop.cancel("interrupted")
    with pytest.raises(InterruptedRunError):
        look_ahead(stopped)

    late = Stage({"gate": []}, seconds=0.01)
    late.replace_step(Watch(late.world, "gate", for_ever))
    with pytest.raises(DeadlineError):
        look_ahead(late)


HOOKS = Hooks(before=(("echo", "on"),), succeeded=(("say", "done"), ("ring",)), failed=(("say", "failed"),))


def test_hooks_run_around_the_run_and_are_told() -> None:
    stage = Stage({"a": []}, hooks=HOOKS)
    hooks = HookLog()

    act(stage, hooks=hooks)

    told = [event for event in stage.events if isinstance(event, HookFinished)]
    assert hooks.ran == [("echo", "on"), ("say", "done"), ("ring",)]
    assert [event.hook for event in told] == ["before: echo", "succeeded: say", "succeeded: ring"]
    assert stage.world.log.index("HookFinished") < stage.world.log.index("apply a")
    assert hooks.environments[0]["LGTM_DEPLOY_HOOK_VERDICT"] == ""
    assert hooks.environments[1]["LGTM_DEPLOY_HOOK_VERDICT"] == "deployed"
    assert hooks.environments[1]["LGTM_DEPLOY_HOOK_RUN"] == "7f3a"


def test_a_failed_run_has_its_own_hooks_after_the_rollback() -> None:
    stage = Stage({"a": [], "b": ["a"]}, hooks=HOOKS)
    stage.replace_step(Toy(stage.world, "b", before=fails(PermanentError("It broke."))))
    hooks = HookLog()

    act(stage, hooks=hooks)

    assert hooks.ran[1:] == [("say", "failed")]
    assert hooks.environments[1]["LGTM_DEPLOY_HOOK_REASON"] == "b: It broke."
    assert stage.world.log[-2:] == ["HookFinished", "RunFinished"]


def test_a_hook_that_fails_is_told_and_changes_nothing() -> None:
    stage = Stage({"a": []}, hooks=HOOKS)

    run = act(stage, hooks=HookLog(code=7))

    assert run.verdict == "deployed"
    assert {(hook.exit_code, hook.reason) for hook in run.hooks} == {(7, "it failed")}


def test_the_last_event_has_verdict_exit_code_and_time() -> None:
    world, clock = World(), FakeClock()
    stage = Stage({"a": []}, Toy(world, "a", before=lambda *_: clock.advance(7)), world=world)
    stage.job = replace(stage.job, clock=clock)

    run = act(stage)

    last = stage.events[-1]
    assert isinstance(last, RunFinished)
    assert (last.verdict, last.exit_code, last.reason) == ("deployed", 0, "")
    assert last.seconds == run.seconds == 7.0


class Shaky(Toy):
    """Cannot look at first."""

    def __init__(self, world: World, name: str, *, times: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__(world, name)
        self._left = times
        self._meanwhile = meanwhile

    def observe(self, inputs: Inputs) -> Seen:
        if self._left:
            self._left -= 1
            self._meanwhile()
            raise TransientError("Rate exceeded.")
        return super().observe(inputs)


def test_looking_ahead_is_tried_again_when_the_error_may_pass() -> None:
    world = World()
    stage = Stage({"a": []}, world=world)
    stage.replace_step(Shaky(world, "a", times=2))

    assert act(stage).verdict == "deployed"


def test_looking_ahead_that_fails_for_good_is_refused() -> None:
    world = World()
    stage = Stage({"a": []}, world=world)
    stage.replace_step(Shaky(world, "a", times=100))

    run = act(stage)

    assert (run.verdict, run.reason) == ("refused", "Rate exceeded.")


def test_who_asks_to_stop_while_it_looks_ahead_is_no_refusal() -> None:
    world = World()
    stage = Stage({"a": []}, world=world)
    stage.replace_step(Shaky(world, "a", times=100, meanwhile=lambda: stage.stop.cancel("interrupted")))

    assert act(stage).verdict == "interrupted"
