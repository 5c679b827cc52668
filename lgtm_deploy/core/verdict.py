"""How a run ended, in one word."""

from dataclasses import dataclass
from typing import Literal

from lgtm_deploy.core.event import FailureKind, Verdict
from lgtm_deploy.core.run import Run, StepRun

_DONE = ("succeeded", "unchanged")

Ending = Literal["done", "failed", "superseded", "in-doubt", "interrupted", "timed-out"]


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """The verdict and its one-line reason."""

    verdict: Verdict
    reason: str


def ending(run: Run, *, asked_to_stop: bool, late: bool, goes_on: bool = False) -> Ending:
    """How the steps themselves ended, before any rollback. `goes_on`: a failure keeps only what needs it from being
    done; whoever stopped the rest is then told so, for it can still be done."""
    kinds = [_kind(step) for step in run.steps.values()]
    if "superseded" in kinds:
        return "superseded"
    if "failed" in kinds and not (goes_on and (asked_to_stop or late) and _could_go_on(run)):
        return "failed"
    if all(step.status in _DONE for step in run.steps.values()):
        # Whoever asked it to stop came too late.
        return "done"
    if late:
        return "timed-out"
    if asked_to_stop:
        return "interrupted"
    return "in-doubt" if "in-doubt" in kinds else "done"


def _could_go_on(run: Run) -> bool:
    """Whether something is left to do that needs no failed step."""
    stuck = {step.id for step in run.steps.values() if _kind(step) == "failed"}
    while more := {step.id for step in run.steps.values() if step.id not in stuck and not stuck.isdisjoint(step.needs)}:
        stuck |= more
    return any(step.id not in stuck and step.status not in _DONE for step in run.steps.values())


def conclude(run: Run, end: Ending, *, stopped: str = "") -> Conclusion:
    """The verdict of a run whose steps are over, and that does not go back. `stopped` says why it was asked to stop,
    where it was."""
    reason = cause(run)
    acted = [step.id for step in run.steps.values() if step.acted]
    verdict: Verdict
    if end == "done":
        verdict = "deployed" if acted else "unchanged"
    elif end in ("interrupted", "timed-out"):
        verdict = "interrupted" if end == "interrupted" else "timed-out"
        if stopped and any(_kind(step) == "failed" for step in run.steps.values()):
            reason = f"{stopped}; {reason}"
        reason = reason or stopped or "stopped on request"
        if acted:
            reason += f"; done so far: {', '.join(acted)}"
    elif end == "in-doubt":
        verdict = "timed-out"
    elif not acted:
        verdict = "refused"
        # Nothing has happened yet: everything that stands in the way is worth knowing now.
        reason = "; ".join(_causes(run))
    else:
        verdict = "superseded" if end == "superseded" else "halted"
        # One failure alone stops a run, unless its plan goes on as far as it can.
        reason = f"{'; '.join(_causes(run)) or reason}; changed and left so: {', '.join(acted)}"
    return Conclusion(verdict=verdict, reason=reason)


def went_back(run: Run) -> Conclusion:
    """The verdict of a run whose rollback is over. Its reason is why it was rolled back, and what is not as it was."""
    if not run.differs:
        return Conclusion(verdict="rolled-back", reason=run.reason)
    differs = f"not as it was: {'; '.join(run.differs)}"
    return Conclusion(verdict="rollback-failed", reason=f"{run.reason}; {differs}" if run.reason else differs)


def cause(run: Run) -> str:
    """The step that failed first, and why; empty when none did."""
    return next(
        iter(_causes(run)), next((step.reason for step in run.steps.values() if _kind(step) == "interrupted"), "")
    )


def _causes(run: Run) -> list[str]:
    """The steps that failed, and why, the first one first."""
    broken = [step for step in run.steps.values() if _kind(step) in ("failed", "superseded", "in-doubt")]
    return [f"{step.id}: {step.reason}" for step in sorted(broken, key=lambda step: step.order)]


def _kind(step: StepRun) -> FailureKind | Literal["in-doubt", ""]:
    if step.status == "in-doubt":
        return "in-doubt"
    kind = step.kind
    if kind in ("refused", "timed-out"):
        return "failed"
    return kind
