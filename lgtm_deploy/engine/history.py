"""What has happened to an environment since a run?"""

from datetime import datetime

from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.ports import Journal, RunSummary
from lgtm_deploy.core.run import Run

# Nearly always enough to reach back to a run that somebody wants undone, and more runs than anybody has.
_PAGES = (20, 10_000)


def refuse_when_changed_since(journal: Journal, run: Run) -> None:
    """Raises RefusedError, naming it, when another run has changed the environment since this one began."""
    began = run.started
    if began is None:
        return
    for limit in _PAGES:
        newest = journal.runs(limit, run.environment)
        if len(newest) < limit or newest[-1].started <= began:
            break
    for each in newest:
        if each.run != run.id and _may_be_later(each, began) and _has_changed_since(journal, each.run, began):
            raise RefusedError(
                f"Run {run.id} cannot be undone: run {each.run} ({each.plan}, {each.started:%Y-%m-%d %H:%M} UTC, by"
                f" {each.by}) has changed '{run.environment}' since.",
                resolution=f"Undo that one first: `lgtm-deploy rollback {each.run}`.",
            )


def _may_be_later(other: RunSummary, began: datetime) -> bool:
    # An older run may have been resumed since.
    return other.started > began or other.finished is None or other.finished > began


def _has_changed_since(journal: Journal, identifier: str, began: datetime) -> bool:
    happened = [record.event for record in journal.records(identifier)]
    if all(event.at <= began for event in happened if event.step):
        return False
    return any(step.acted for step in Run(id=identifier).folded(happened).steps.values())
