"""What have other runs made of an environment?"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.event import RESUMABLE, Record
from lgtm_deploy.core.ports import Journal, RunSummary
from lgtm_deploy.core.run import Run

# Nearly always enough to find the last one that changed anything; and more runs than anybody has.
_FEW = 20
_ALL = 10_000
# How runs end that leave everything as they found it.
_AS_FOUND = ("refused", "unchanged", "rolled-back")
# By so much clocks of two machines may differ. It saves reading old journals; which run was later, fences tell.
_SKEW = timedelta(hours=1)


def refuse_when_changed_since(journal: Journal, run: Run, *, goes_on: bool = False) -> None:
    """Raises RefusedError, naming it, when another run has changed the environment since this one first did.

    Its way back leads to what it had found then. One that has changed nothing yet has nothing to be afraid of.
    """
    first = min(_fences(journal.records(run.id)), default=None)
    if first is None:
        return
    # An older run may have been gone on with since, however many have come between.
    for each in journal.runs(_ALL, run.environment):
        if each.run != run.id and _may_be_later(each, run.started) and _has_changed_since(journal, each.run, first):
            raise RefusedError(
                f"Run {run.id} cannot {'go on' if goes_on else 'be undone'}: run {each.run} ({each.plan},"
                f" {each.started:%Y-%m-%d %H:%M} UTC, by {each.by}) has changed '{run.environment}' since.",
                resolution=f"Undo that one first: `lgtm-deploy rollback {each.run}`.",
            )


def unfinished_run(journal: Journal, environment: str) -> str:
    """Return the run that changed the environment last, if it is unfinished; else an empty string.

    Call it while the environment is locked: then no run without a verdict is still running.
    """
    for limit in (_FEW, _ALL):
        newest = journal.runs(limit, environment)
        found, is_told = _unfinished_run(journal, newest)
        if is_told or len(newest) < limit:
            break
    return found


def _unfinished_run(journal: Journal, newest: Sequence[RunSummary]) -> tuple[str, bool]:
    """That run among these, and whether those before them can tell no more."""
    settled: RunSummary | None = None
    for each in newest:
        if each.verdict and each.verdict not in RESUMABLE:
            if settled is None and each.verdict not in _AS_FOUND:
                settled = each
            continue
        # An older one may have been gone on with since.
        if settled is not None and not _may_be_later(each, settled.started):
            continue
        records = journal.records(each.run)
        run = Run(id=each.run).folded(record.event for record in records)
        if run.verdict is not None and run.verdict not in RESUMABLE:
            # The list may lag behind the journal.
            settled = settled or (None if run.verdict in _AS_FOUND else each)
        elif _has_left_something(run) and (settled is None or _last(records) > _last(journal.records(settled.run))):
            return each.run, True
    return "", settled is not None


def _has_left_something(run: Run) -> bool:
    # Where all steps are back the rest of its way back may still be to be done: its hooks, the last look.
    return run.rolling_back or any(step.acted for step in run.steps.values())


def _may_be_later(other: RunSummary, began: datetime | None) -> bool:
    return other.finished is None or began is None or other.finished > began - _SKEW


def _has_changed_since(journal: Journal, identifier: str, fence: int) -> bool:
    """Whether the run has changed something, later than what bears that fence, that is not back again."""
    records = journal.records(identifier)
    if _last(records) <= fence:
        return False
    return any(step.acted for step in Run(id=identifier).folded(each.event for each in records).steps.values())


def _last(records: Iterable[Record]) -> int:
    return max(_fences(records), default=0)


def _fences(records: Iterable[Record]) -> Iterable[int]:
    """Of everything by which the run has changed the environment: what it was about to do is on disk before it acts."""
    return (each.fence for each in records if isinstance(each.event, events.StepObserved) and each.event.change)
