"""rollback: bring back what a run has found, whether it is finished or half-done."""

import json
import sys
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of


def rollback(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, the beginning of it, or `last`.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", envvar="LGTM_DEPLOY_YES", help="Do not ask.")] = False,
    lock_wait: Annotated[
        float,
        typer.Option(min=0, envvar="LGTM_DEPLOY_LOCK_WAIT", help="Seconds to wait while another run has the lock."),
    ] = 0,
) -> None:
    """Undo a run: what it has changed is brought back as it found it, last things first."""
    from lgtm_deploy.cli import loading, memory, wiring
    from lgtm_deploy.cli.exits import exit_code_of
    from lgtm_deploy.cli.running import Wanted, undo_run
    from lgtm_deploy.core.errors import UsageError
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
    if not yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for approval at.", resolution="Pass --yes to undo without it.")
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


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(rollback)
