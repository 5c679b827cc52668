"""cancel: stop a run from another terminal, or another machine."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lgtm_deploy.cli.options import RunName
from lgtm_deploy.cli.settings import settings_of

if TYPE_CHECKING:
    from lgtm_deploy.core.ports import Journal, Lock, LockHolder
    from lgtm_deploy.core.run import Run

# How often it is told what the run still does, in seconds.
_TELL = 15.0


def cancel(
    context: typer.Context,
    run: RunName,
    *,
    timeout: Annotated[
        float, typer.Option(min=0, envvar="LGTM_DEPLOY_CANCEL_TIMEOUT", help="Seconds to wait until the run has ended.")
    ] = 300,
) -> None:
    """Stop a run at its next safe point, wherever it runs, and wait until it has ended."""
    import time

    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.cli import memory, wiring
    from lgtm_deploy.cli.exits import FAILED
    from lgtm_deploy.cli.loading import load_stack
    from lgtm_deploy.core.errors import DeadlineError

    settings = settings_of(context)
    remembered = memory.remembered(settings)
    begun = wiring.begun_run(remembered, run, settings.environment)
    stack = wiring.settled(load_stack(settings.in_environment(begun.environment)))
    lock = memory.lock(stack, SystemClock())
    held = _asked(lock, begun, wiring.caller_name())
    for_programs = settings.output == "json"
    tell: Callable[[str], None] = (lambda _: None) if for_programs else typer.echo
    tell(f"Asked run {begun.id} ({held.holder}) to stop at its next safe point.")
    if begun.rolling_back:
        tell("It is rolling back: that goes on to its end, for half a rollback is worse than a late one.")
    if not _ended(lock, held, remembered, tell, timeout, sleep=time.sleep, monotonic=time.monotonic):
        raise DeadlineError(
            f"Run {begun.id} still holds '{held.environment}' after {timeout:g} s.",
            resolution=f"Wait again with the same command; see `lgtm-deploy show {begun.id}`.",
        )
    ended = wiring.run_so_far(remembered, begun.id)
    if for_programs:
        told = {"run": ended.id, "verdict": ended.verdict or "", "reason": ended.reason}
        typer.echo(json.dumps(told))
    else:
        typer.echo(_how_it_ended(ended))
    if ended.verdict is None:
        raise typer.Exit(FAILED)


def _asked(lock: "Lock", run: "Run", by: str) -> "LockHolder":
    """Who was asked to stop. Raises RefusedError: the run is not running."""
    from lgtm_deploy.core.errors import LockHeldError, NotFoundError, RefusedError

    try:
        # One with a verdict may be about to go on, or to be undone.
        return lock.cancel(run.environment, run.id, by)
    except (NotFoundError, LockHeldError) as error:
        if run.verdict:
            raise RefusedError(f"Run {run.id} is not running: it has ended, {run.verdict}.") from error
        raise RefusedError(
            f"Run {run.id} is not running: its process ended without a verdict.", resolution=_way_on(run)
        ) from error


def _ended(
    lock: "Lock",
    held: "LockHolder",
    remembered: "Journal",
    tell: Callable[[str], None],
    seconds: float,
    *,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> bool:
    """Whether the run has given its environment back within so many seconds. Says what it is doing while it has not."""
    from lgtm_deploy.cli import wiring

    until, tell_at = monotonic() + seconds, monotonic() + _TELL
    while True:
        now = lock.holder(held.environment)
        if now is None or now.fence != held.fence:
            return True
        if monotonic() >= until:
            return False
        if monotonic() >= tell_at:
            tell_at += _TELL
            run = wiring.run_so_far(remembered, held.run)
            at_work = [step.id for step in run.steps.values() if step.status == "running"]
            tell(f"still waiting for {', '.join(at_work) or ('its rollback' if run.rolling_back else 'its end')}")
        sleep(min(lock.look_seconds, max(until - monotonic(), 0.1)))


def _how_it_ended(run: "Run") -> str:
    from lgtm_deploy.core.event import RESUMABLE

    if run.verdict is None:
        return f"Run {run.id} has ended without a verdict. {_way_on(run)}"
    ended = f"Run {run.id} has ended: {run.verdict}{f', {run.reason}' if run.reason else ''}."
    return f"{ended} {_way_on(run)}" if run.verdict in RESUMABLE else ended


def _way_on(run: "Run") -> str:
    where = f"--env {run.environment}"
    return f"Go on with `lgtm-deploy resume {run.id} {where}`, or undo it with `lgtm-deploy rollback {run.id} {where}`."
