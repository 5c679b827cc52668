"""What has happened to an environment since a run?"""

from collections.abc import Iterable
from datetime import timedelta

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.event import Record
from lgtm_deploy.core.ports import Journal, RunSummary
from lgtm_deploy.core.run import Run

# Nearly always enough to reach back to a run that somebody wants undone, and more runs than anybody has.
_PAGES = (20, 10_000)
# By so much clocks of two machines may differ. It saves reading old journals; which run was later, fences tell.
_SKEW = timedelta(hours=1)


def refuse_when_changed_since(journal: Journal, run: Run, *, goes_on: bool = False) -> None:
    """Raises RefusedError, naming it, when another run has changed the environment since this one first did.

    Its way back leads to what it had found then. One that has changed nothing yet has nothing to be afraid of.
    """
    first = min(_fences(journal.records(run.id)), default=None)
    if first is None:
        return
    for limit in _PAGES:
        newest = journal.runs(limit, run.environment)
        if len(newest) < limit or any(each.run == run.id for each in newest):
            break
    for each in newest:
        if each.run != run.id and _may_be_later(each, run) and _has_changed_since(journal, each.run, first):
            raise RefusedError(
                f"Run {run.id} cannot {'go on' if goes_on else 'be undone'}: run {each.run} ({each.plan},"
                f" {each.started:%Y-%m-%d %H:%M} UTC, by {each.by}) has changed '{run.environment}' since.",
                resolution=f"Undo that one first: `lgtm-deploy rollback {each.run}`.",
            )


def _may_be_later(other: RunSummary, run: Run) -> bool:
    # An older run may have been resumed since.
    return other.finished is None or run.started is None or other.finished > run.started - _SKEW


def _has_changed_since(journal: Journal, identifier: str, fence: int) -> bool:
    """Whether the run has changed something, later than what bears that fence, that is not back again."""
    records = journal.records(identifier)
    if max(_fences(records), default=0) <= fence:
        return False
    return any(step.acted for step in Run(id=identifier).folded(each.event for each in records).steps.values())


def _fences(records: Iterable[Record]) -> Iterable[int]:
    """Of everything by which the run has changed the environment: what it was about to do is on disk before it acts."""
    return (each.fence for each in records if isinstance(each.event, events.StepObserved) and each.event.change)
