"""apply: do it, in the one safe order, or go back."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of


def apply(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(help="A plan's name or file.")],
    *,
    saved: Annotated[
        Path | None,
        typer.Option(
            "--plan", envvar="LGTM_DEPLOY_PLAN", help="Exactly what `plan --out` kept in this file, or nothing."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", envvar="LGTM_DEPLOY_YES", help="Do not ask.")] = False,
    var: Annotated[
        list[str] | None, typer.Option(envvar="LGTM_DEPLOY_VAR", help="A variable of the plan, as NAME=VALUE.")
    ] = None,
    only: Annotated[str, typer.Option(envvar="LGTM_DEPLOY_ONLY", help="This step and all that it needs.")] = "",
    parallelism: Annotated[
        int, typer.Option(min=1, max=100, envvar="LGTM_DEPLOY_PARALLELISM", help="So many steps at once at the most.")
    ] = 10,
    timeout: Annotated[
        float, typer.Option(min=0, envvar="LGTM_DEPLOY_TIMEOUT", help="Seconds for the whole run; 0: the plan's own.")
    ] = 0,
    anew: Annotated[
        bool,
        typer.Option("--anew", envvar="LGTM_DEPLOY_ANEW", help="Begin although an earlier run was stopped half-way."),
    ] = False,
    lock_wait: Annotated[
        float,
        typer.Option(min=0, envvar="LGTM_DEPLOY_LOCK_WAIT", help="Seconds to wait while another run has the lock."),
    ] = 0,
    watch: Annotated[
        bool,
        typer.Option("--watch", envvar="LGTM_DEPLOY_WATCH", help="Ask all services meanwhile: who failed?"),
    ] = False,
    no_rollback: Annotated[
        bool,
        typer.Option("--no-rollback", envvar="LGTM_DEPLOY_NO_ROLLBACK", help="On failure leave everything as it is."),
    ] = False,
) -> None:
    """Apply a plan: show what changes, ask, do it, and on failure go back."""
    from lgtm_deploy.cli import loading
    from lgtm_deploy.cli import saved as saved_plans
    from lgtm_deploy.cli.exits import exit_code_of
    from lgtm_deploy.cli.running import Wanted, run_plan
    from lgtm_deploy.core.errors import UsageError
    from lgtm_deploy.core.recipe import build

    settings = settings_of(context)
    stack = loading.load_stack(settings)
    loaded = loading.load_plan(plan, stack)
    whole = build(loaded, stack)
    graph = whole.only(only) if only else whole
    kept = saved_plans.read(saved) if saved else None
    if kept is not None:
        kept.check(loaded, whole, stack.environment.name)
    wanted = Wanted(
        variables=loading.variables(loaded, var or []),
        parallelism=parallelism,
        seconds=timeout or loaded.timeout,
        ask=not yes and kept is None,
        roll_back=not no_rollback,
        anew=anew,
        lock_wait=lock_wait,
        watch=watch,
        saved=kept,
    )
    if wanted.ask and not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for approval at.", resolution="Pass --yes to apply without it.")
    finished = run_plan(settings, stack, loaded, graph, wanted)
    raise typer.Exit(exit_code_of(finished))


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(apply)
