"""rollback: bring back what a run has found, whether it is finished or half-done."""

import json

import typer

from lgtm_deploy.cli.options import LockWait, RunName, Yes, check_approval
from lgtm_deploy.cli.settings import settings_of


def rollback(
    context: typer.Context,
    run: RunName,
    *,
    yes: Yes = False,
    lock_wait: LockWait = 0,
) -> None:
    """Undo a run: what it has changed is brought back as it found it, last things first."""
    from lgtm_deploy.cli import loading, memory, wiring
    from lgtm_deploy.cli.exits import exit_code_of
    from lgtm_deploy.cli.running import Wanted, undo_run
    from lgtm_deploy.engine.undo import nothing_to_undo

    settings = settings_of(context)
    remembered = memory.remembered(settings)
    begun = wiring.begun_run(remembered, run, settings.environment)
    nothing = nothing_to_undo(begun)
    if nothing and begun.verdict:
        typer.echo(nothing, err=True)
        if settings.output == "json":
            typer.echo(json.dumps({"run": begun.id, "verdict": begun.verdict, "reason": nothing}))
        return
    stack = loading.load_stack(settings.in_environment(begun.environment))
    plan = loading.begun_plan(begun, stack)
    check_approval(asks=not yes, verb="undo")
    wanted = Wanted(
        variables=loading.secret_variables(plan, begun.variables),
        parallelism=10,
        seconds=plan.timeout,
        ask=not yes,
        roll_back=True,
        lock_wait=lock_wait,
        undo=True,
    )
    finished = undo_run(settings, stack, plan, wanted, begun)
    raise typer.Exit(0 if nothing_to_undo(finished) else exit_code_of(finished))
