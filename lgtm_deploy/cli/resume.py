"""resume: go on with a run that was stopped or killed."""

import sys
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of


def resume(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, the beginning of it, or `last`.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", envvar="LGTM_DEPLOY_YES", help="Do not ask.")] = False,
    var: Annotated[
        list[str] | None,
        typer.Option(envvar="LGTM_DEPLOY_VAR", help="A variable of the plan, as NAME=VALUE, as it was given before."),
    ] = None,
    lock_wait: Annotated[
        float,
        typer.Option(min=0, envvar="LGTM_DEPLOY_LOCK_WAIT", help="Seconds to wait while another run has the lock."),
    ] = 0,
    no_rollback: Annotated[
        bool,
        typer.Option("--no-rollback", envvar="LGTM_DEPLOY_NO_ROLLBACK", help="On failure leave everything as it is."),
    ] = False,
) -> None:
    """Go on with a run: what is done is not done again, what was under way is looked at first."""
    from lgtm_deploy.cli import loading, memory, wiring
    from lgtm_deploy.cli.exits import exit_code_of
    from lgtm_deploy.cli.running import Wanted, resume_run
    from lgtm_deploy.core.errors import UsageError

    settings = settings_of(context)
    remembered = memory.remembered(settings)
    begun = wiring.begun_run(remembered, run, settings.environment)
    stack = loading.load_stack(settings.in_environment(begun.environment))
    plan = loading.begun_plan(begun, stack)
    if not yes and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for approval at.", resolution="Pass --yes to go on without it.")
    wanted = Wanted(
        variables=loading.variables(plan, var or [], begun.variables),
        parallelism=10,
        seconds=plan.timeout,
        ask=not yes,
        roll_back=not no_rollback,
        lock_wait=lock_wait,
    )
    finished = resume_run(settings, stack, plan, wanted, begun)
    raise typer.Exit(exit_code_of(finished))


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(resume)
