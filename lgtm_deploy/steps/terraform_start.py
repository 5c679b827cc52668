"""The start state of a Terraform root: the files, or the variables, whose plan is empty before anything changes.

Each candidate costs a plan, so they are tried in the order of their likelihood, and the first one ends the search: the
commit of the last apply that the journal knows, HEAD and the commits before it that changed the root's files, and the
files that were kept when the root was applied on this machine. Declared variables come before all of them, where they
set all that will change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import PlannedChanges, Ports, Progress
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.touched import Touched
from lgtm_deploy.steps.terraform_roots import (
    note_running,
    plan_from,
    recorded,
    save_plan,
    settings,
    sources_of,
    start_files,
)

# More commits of one root since its last apply are rare, and each costs 5 to 20 s.
_COMMITS = 20
_UNSHALLOW = "The Git clone is a shallow one: run `git fetch --unshallow`"


def find_start(
    stack: Stack, ports: Ports, name: str, progress: Progress, *, touched: Sequence[Touched] = ()
) -> StartState:
    """Return how the root comes back once a plan that changes something was applied.

    `touched` is what declared variables may bring back; none: variables are no way. Raises TransientError.
    """
    by_variables = [StartState(kind="variables")] if touched and not _beside_variables(stack, touched) else []
    candidates = [*by_variables, *_revisions(stack, ports, name), *_kept(ports, name)]
    failed = ""
    for number, start in enumerate(candidates, start=1):
        progress(f"looking for the start state of {name}: {_called(start)} ({number} of {len(candidates)})")
        try:
            planned = _planned(stack, ports, name, start, progress)
        except PermanentError as error:
            # It is not a root that can be planned today.
            reason = error.message.partition("\n")[0].rstrip(".")
            failed = f"; {_called(start)} cannot be planned: {reason}"
            continue
        if _is_empty(planned):
            note_running(ports, name, start, progress)
            return start
    tried = f"{len(candidates)} tried" if candidates else "there is none to try"
    none = StartState(
        kind="none", why_not=f"no Git revision and no files applied before match what runs ({tried}{failed})"
    )
    return replace(none, way_out=_UNSHALLOW) if ports.source.is_shallow() else none


def _planned(stack: Stack, ports: Ports, name: str, start: StartState, progress: Progress) -> PlannedChanges:
    if start.kind == "variables":
        # A rollback plans with the same ones.
        return save_plan(stack, ports, name, recorded(stack, ports), progress, purpose="start")
    with start_files(ports, name, start, purpose="start") as there:
        return plan_from(stack, ports, name, there, progress, purpose="start")[1]


def _called(start: StartState) -> str:
    if start.kind == "variables":
        return "the variables as they are"
    return start.commit[:8] if start.commit else f"applied on {start.at[:16]}"


def _beside_variables(stack: Stack, touched: Sequence[Touched]) -> bool:
    """Whether something is touched that no declared variable sets. Outputs follow from what is set."""
    known = {(each.target_group, each.path) for each in settings(stack)}
    return any(
        not each.is_update or any((each.named, path) not in known for path in each.attributes)
        for each in touched
        if each.type != "output"
    )


def _revisions(stack: Stack, ports: Ports, name: str) -> Iterator[StartState]:
    last, why_not = ports.applied.last(name)
    commits = [last.commit] if last.commit and not why_not else []
    # The newest one, too: files from elsewhere may have changed since, such as those of `templatefile`.
    commits += ports.source.commits(sources_of(stack, ports, name), _COMMITS)
    yield from (StartState(kind="revision", commit=commit) for commit in dict.fromkeys(commits))


def _kept(ports: Ports, name: str) -> Iterator[StartState]:
    yield from (StartState(kind="files", digest=each.digest, at=each.at) for each in ports.kept.kept(name))


def _is_empty(planned: PlannedChanges) -> bool:
    # A plan that changes outputs alone has a document, and is not empty.
    return not planned.changes and not planned.document
