"""One run of toys from beginning to end."""

from collections.abc import Mapping

from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.conduct import Decisions, conduct
from tests.engine.toys import Stage


class HookLog:
    """Notes which commands were run, with which environment."""

    def __init__(self, code: int = 0) -> None:
        self.ran: list[tuple[str, ...]] = []
        self.environments: list[Mapping[str, str]] = []
        self._code = code

    def __call__(self, words: tuple[str, ...], environment: Mapping[str, str], timeout: float) -> tuple[int, str]:
        self.ran.append(words)
        self.environments.append(environment)
        return self._code, "it failed" if self._code else ""


def act(stage: Stage, *, roll_back: bool = True, hooks: HookLog | None = None) -> Run:
    """Runs the stage's plan, approved beforehand."""
    decisions = Decisions(approve=lambda _: True, roll_back=roll_back)
    return conduct(stage.job, decisions, hooks or HookLog(), stack="lgtm", by="me@here")


def act_if(stage: Stage, decisions: Decisions) -> Run:
    """Runs the stage's plan with those decisions."""
    return conduct(stage.job, decisions, HookLog(), stack="lgtm", by="me@here")
