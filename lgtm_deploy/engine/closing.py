"""What is the same at the beginning and at the end of every run, whichever way it goes."""

from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

from lgtm_deploy.core import event as events
from lgtm_deploy.core.event import EXIT_CODES, Event
from lgtm_deploy.core.plan import Hook, Webhook
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.verdict import Conclusion
from lgtm_deploy.engine.executor import Job

When = Literal["before", "rollback", "succeeded", "failed"]

# What has happened when these hooks run.
_EVENTS: Mapping[When, str] = {
    "before": "RunStarted",
    "rollback": "RollbackStarted",
    "succeeded": "RunFinished",
    "failed": "RunFinished",
}


class HookRunner(Protocol):
    """Runs a command of the plan's hooks, or posts to one of its URLs."""

    def __call__(self, hook: Hook, told: Mapping[str, str], timeout: float, progress: Progress) -> tuple[int, str]:
        """Its exit code, and why it failed (empty when it did not). Never raises for a hook that fails or is stopped.

        `told` are environment variables of a command. A hook is stopped by what `progress` raises.
        """


def lock_taken(job: Job) -> None:
    """Writes down that the run holds its environment, and from whom it took it."""
    # A run that takes over from itself has it in its journal: there it is written by the lock, before anybody can act.
    if job.takeover is not None and job.takeover.from_run != job.run.id:
        job.writer.stage(job.takeover)
    job.writer.commit(events.LockTaken(at=job.clock.now(), environment=job.environment, fence=job.writer.fence))


def skip_rest(job: Job, reason: str) -> None:
    """Writes down that what has not run will not."""
    at = job.clock.now()
    waiting = [step.id for step in job.run.steps.values() if step.status == "waiting"]
    job.writer.commit(*(events.StepSkipped(at=at, step=step, reason=reason) for step in waiting))


def finish(job: Job, conclusion: Conclusion, began: float) -> Run:
    """Writes the verdict down. `began` is on the monotonic clock."""
    code = EXIT_CODES[conclusion.verdict]
    if job.run.undo and conclusion.verdict == "rolled-back":
        # Nothing failed: it is what was asked for.
        code = 0
    job.writer.commit(
        *job.closing(),
        events.RunFinished(
            at=job.clock.now(),
            verdict=conclusion.verdict,
            exit_code=code,
            seconds=round(job.clock.monotonic() - began, 3),
            reason=conclusion.reason,
        ),
    )
    return job.run


def run_hooks(job: Job, runner: HookRunner, when: When, conclusion: Conclusion | None = None) -> None:
    """Runs the hooks one after the other. What fails is written down and changes nothing.

    Only who insists stops the one that runs and keeps the others from starting. Raises InterruptedRunError then if they
    are a rollback's: it is not over without them.
    """
    stop = job.stop.shield()

    def heed(_: str) -> None:
        stop.check(patient=True)

    told = {
        "LGTM_DEPLOY_HOOK_EVENT": _EVENTS[when],
        "LGTM_DEPLOY_HOOK_RUN": job.run.id,
        "LGTM_DEPLOY_HOOK_PLAN": job.plan.name,
        "LGTM_DEPLOY_HOOK_ENV": job.environment,
        "LGTM_DEPLOY_HOOK_VERDICT": conclusion.verdict if conclusion else "",
        "LGTM_DEPLOY_HOOK_REASON": job.writer.masks.masked(conclusion.reason if conclusion else job.run.reason),
    }
    hooks: tuple[Hook, ...] = getattr(job.plan.hooks, when)
    for hook in hooks:
        if stop.cancelled_now:
            break
        job.guard()
        began = job.clock.monotonic()
        code, why = runner(hook, told, job.plan.hooks.timeout, heed)
        finished: Event = events.HookFinished(
            at=job.clock.now(),
            hook=f"{when}: {_name(hook)}",
            exit_code=code,
            seconds=round(job.clock.monotonic() - began, 3),
            reason=why,
        )
        job.writer.commit(finished)
    if when == "rollback" and hooks:
        heed("")


def _name(hook: Hook) -> str:
    """What is said of it: of a URL its host alone, for the rest of it may be a secret."""
    if isinstance(hook, Webhook):
        return f"POST {hook.url_env or urlsplit(hook.url).hostname}"
    return hook[0]
