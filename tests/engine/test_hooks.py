"""The hooks of a rollback: when they run, what they are told, and what comes of those that fail."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from lgtm_deploy.core.errors import InterruptedRunError, PermanentError
from lgtm_deploy.core.event import HookFinished
from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.plan import Hook, Hooks, Webhook
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.journal_writer import JournalWriter
from tests.engine.acting import HookLog, act, resumed, taken_back
from tests.engine.toys import Stage, Toy, World, fails

SECRET = "https://hooks.example.com/services/T0/secret"
HOOKS = Hooks(rollback=(("say", "back"), Webhook(url=SECRET)), failed=(("ring",),), timeout=5.0)
BROKEN = PermanentError("It broke.")


def broken() -> Stage:
    world = World()
    return Stage({"a": [], "b": ["a"]}, Toy(world, "b", before=fails(BROKEN)), world=world, hooks=HOOKS)


def test_they_run_in_a_rollback_once_everything_is_undone() -> None:
    stage = broken()
    hooks = HookLog()

    run = act(stage, hooks=hooks)

    assert run.verdict == "rolled-back"
    assert hooks.ran == [*HOOKS.rollback, ("ring",)]
    log = stage.world.log
    assert log.index("StepCompensated a") < log.index("HookFinished") < log.index("RollbackFinished")
    assert hooks.environments[0]["LGTM_DEPLOY_HOOK_EVENT"] == "RollbackStarted"
    assert hooks.environments[0]["LGTM_DEPLOY_HOOK_REASON"] == "b: It broke."
    assert hooks.environments[-1]["LGTM_DEPLOY_HOOK_VERDICT"] == "rolled-back"


def test_what_they_change_is_read_back() -> None:
    stage = broken().rewrite("a", timeout=0.02)

    class Meddling(HookLog):
        def __call__(self, *_: object) -> tuple[int, str]:
            stage.world.state["a"] = "meddled"
            return 0, ""

    run = act(stage, hooks=Meddling())

    assert run.verdict == "rollback-failed"
    assert "is meddled" in run.differs[0]


def test_one_that_fails_is_journaled_and_stops_nothing() -> None:
    stage = broken()

    run = act(stage, hooks=HookLog(code=7))

    assert run.verdict == "rolled-back"
    told = [(event.hook, event.exit_code) for event in stage.events if isinstance(event, HookFinished)]
    assert told == [("rollback: say", 7), ("rollback: POST hooks.example.com", 7), ("failed: ring", 7)]
    assert "secret" not in str(stage.events)


@pytest.mark.parametrize("resuming", [True, False])
def test_who_asks_for_a_rollback_hears_of_no_failure(resuming: bool) -> None:
    stage = Stage({"a": []}, hooks=HOOKS)
    act(stage, hooks=HookLog())
    hooks = HookLog()
    if resuming:
        # Another process had begun to undo it, and was killed.
        with pytest.raises(ZeroDivisionError):
            taken_back(stage, hooks=Dying())
        resumed(stage)
        run = act(stage, hooks=hooks)
    else:
        run = taken_back(stage, hooks=hooks)

    assert (run.verdict, run.exit_code) == ("rolled-back", 0)
    assert hooks.ran == list(HOOKS.rollback)


class Dying(HookLog):
    def __call__(self, *_: object) -> tuple[int, str]:
        raise ZeroDivisionError


class Insisting(HookLog):
    """Somebody insists on stopping while the first hook runs, which then ends as a stopped one does."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def __call__(self, hook: Hook, told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
        super().__call__(hook, told, timeout, progress)
        self._stage.stop.cancel("interrupted")
        progress("")
        self._stage.stop.cancel_now("interrupted twice")
        with pytest.raises(InterruptedRunError):
            progress("")
        return 130, "stopped: interrupted"


def hooks_told(stage: Stage) -> list[tuple[str, int, str]]:
    return [(event.hook, event.exit_code, event.reason) for event in stage.events if isinstance(event, HookFinished)]


def test_who_insists_during_a_rollbacks_hook_goes_on_with_it_later() -> None:
    stage = broken()
    hooks = Insisting(stage)

    run = act(stage, hooks=hooks)

    assert (run.verdict, run.reason) == ("interrupted", "on the way back (b: It broke.): interrupted")
    assert hooks_told(stage) == [("rollback: say", 130, "stopped: interrupted")]
    assert stage.world.log[-2:] == ["HookFinished", "RunFinished"]

    resumed(stage)
    again = HookLog()
    assert act(stage, hooks=again).verdict == "rolled-back"
    assert again.ran == [*HOOKS.rollback, ("ring",)]


@pytest.mark.parametrize(("when", "verdict"), [("before", "interrupted"), ("succeeded", "deployed")])
def test_who_insists_during_another_hook_has_the_verdict_written_down(when: str, verdict: str) -> None:
    stage = Stage({"a": []}, hooks=Hooks(**{when: (("say", "it"), ("ring",))}))
    hooks = Insisting(stage)

    run = act(stage, hooks=hooks)

    assert run.verdict == verdict
    assert hooks.ran == [("say", "it")]
    assert hooks_told(stage) == [(f"{when}: say", 130, "stopped: interrupted")]
    assert stage.world.log[-1] == "RunFinished"


def test_the_time_allowed_for_the_run_does_not_stop_them() -> None:
    stage = broken()

    class Late(HookLog):
        def __call__(self, hook: Hook, told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
            stage.stop.cancel_now("the time allowed for the run is over", timed_out=True)
            progress("")
            return super().__call__(hook, told, timeout, progress)

    hooks = Late()

    assert act(stage, hooks=hooks).verdict == "rolled-back"
    assert hooks.ran == [*HOOKS.rollback, ("ring",)]


def test_a_hook_hears_why_without_secrets_and_its_words_for_that_are_not_changed() -> None:
    world = World()
    stage = Stage(
        {"a": []}, Toy(world, "a", before=fails(PermanentError("No hunter22-prod."))), world=world, hooks=HOOKS
    )
    masks = Masks(values={"login": '{"password": "hunter22-prod", "event": "LGTM_DEPLOY"}'})
    stage.job = replace(stage.job, writer=JournalWriter(Run(id="7f3a"), stage.journal, 1, [], masks))
    hooks = HookLog()

    act(stage, hooks=hooks)

    assert hooks.environments[0].keys() == {
        f"LGTM_DEPLOY_HOOK_{name}" for name in ("EVENT", "RUN", "PLAN", "ENV", "VERDICT", "REASON")
    }
    assert "hunter22" not in hooks.environments[0]["LGTM_DEPLOY_HOOK_REASON"]
