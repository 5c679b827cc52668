"""What the list of runs says of a run."""

from collections.abc import Iterable
from dataclasses import replace

from lgtm_deploy.core.event import Event, RunFinished, RunResumed, RunStarted
from lgtm_deploy.core.ports.memory import RunSummary


def summarised(known: RunSummary | None, run: str, happened: Iterable[Event]) -> RunSummary | None:
    """The run's line after these events; most of them do not change it. None while it has not begun."""
    for event in happened:
        if isinstance(event, RunStarted):
            known = RunSummary(
                run=run,
                plan=event.plan,
                environment=event.environment,
                by=event.by,
                started=event.at,
                finished=None,
                verdict="",
                seconds=0.0,
            )
        elif known and isinstance(event, RunResumed):
            known = replace(known, by=event.by, finished=None, verdict="")
        elif known and isinstance(event, RunFinished):
            known = replace(known, finished=event.at, verdict=event.verdict, seconds=event.seconds)
    return known
