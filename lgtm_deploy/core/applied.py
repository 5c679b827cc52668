"""Which revision of a Terraform root was applied last?"""

from collections.abc import Iterable

from lgtm_deploy.core.ports import Revision
from lgtm_deploy.core.run import Run, StepRun

_OPEN = ("running", "failed", "in-doubt", "not-compensated")


def last_applied(runs: Iterable[Run], root: str) -> tuple[Revision, str]:
    """The revision of the last successful apply of that root in these runs, the newest first; an empty one with the
    reason when it is not known. What was applied and brought back again does not count."""
    for run in runs:
        steps = [step for step in run.steps.values() if step.acted or step.status == "succeeded"]
        for step in sorted(filter(lambda each: _is_of(each, root), steps), key=lambda each: -each.order):
            if step.status in _OPEN:
                return Revision(), f"run {run.id} left it unknown"
            commit = str(step.outputs.get("commit") or "")
            if step.status == "succeeded" and commit:
                dirty = bool(step.outputs.get("dirty"))
                short = commit[:8]
                why = f"at its last apply (run {run.id}) {short} had uncommitted changes" if dirty else ""
                return Revision(commit=commit, dirty=dirty), why
    return Revision(), "no revision is recorded for its last apply"


def _is_of(step: StepRun, root: str) -> bool:
    """Whether the step applies that root: it says so by what it saw."""
    seen = step.seen or {}
    return seen.get("root") == root and "before" in seen
