"""One run of toys from beginning to end."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from lgtm_deploy.core.plan import Hook
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.undo import undo
from tests.engine.toys import Stage


class HookLog:
    """Notes which commands were run, with which environment."""

    def __init__(self, code: int = 0) -> None:
        self.ran: list[Hook] = []
        self.environments: list[Mapping[str, str]] = []
        self._code = code

    def __call__(self, hook: Hook, told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
        self.ran.append(hook)
        self.environments.append(told)
        return self._code, "it failed" if self._code else ""


def act(stage: Stage, *, roll_back: bool = True, hooks: HookLog | None = None) -> Run:
    """Runs the stage's plan, approved beforehand."""
    decisions = Decisions(approve=lambda _: True, roll_back=roll_back)
    return conduct(stage.job, decisions, hooks or HookLog(), stack="lgtm", by="me@here")


def act_if(stage: Stage, decisions: Decisions) -> Run:
    """Runs the stage's plan with those decisions."""
    return conduct(stage.job, decisions, HookLog(), stack="lgtm", by="me@here")


def resumed(stage: Stage) -> None:
    """Another process has the stage's run from here on, as its journal tells it."""
    run = Run(id="7f3a").folded(stage.events)
    fence = stage.job.writer.fence + 1
    stage.stop = CancellationToken()
    stage.job = replace(stage.job, writer=JournalWriter(run, stage.journal, fence), stop=stage.stop)


def taken_back(
    stage: Stage, approve: Callable[[Preview], bool] = lambda _: True, *, hooks: HookLog | None = None
) -> Run:
    """Another process undoes the stage's run."""
    resumed(stage)
    return undo(stage.job, Decisions(approve=approve), hooks or HookLog(), by="you@there")
