"""apply: do it, in the one safe order, or go back."""

from pathlib import Path
from typing import Annotated

import typer

from lgtm_deploy.cli.options import LockWait, NoRollback, PlanName, Variables, Yes, check_approval
from lgtm_deploy.cli.settings import settings_of


def apply(
    context: typer.Context,
    plan: PlanName,
    *,
    saved: Annotated[
        Path | None,
        typer.Option(
            "--plan", envvar="LGTM_DEPLOY_PLAN", help="Exactly what `plan --out` kept in this file, or nothing."
        ),
    ] = None,
    yes: Yes = False,
    var: Variables = None,
    only: Annotated[str, typer.Option(envvar="LGTM_DEPLOY_ONLY", help="This step and all that it needs.")] = "",
    parallelism: Annotated[
        int, typer.Option(min=1, max=100, envvar="LGTM_DEPLOY_PARALLELISM", help="So many steps at once at the most.")
    ] = 10,
    timeout: Annotated[
        float,
        typer.Option(min=0, envvar="LGTM_DEPLOY_APPLY_TIMEOUT", help="Seconds for the whole run; 0: the plan's own."),
    ] = 0,
    anew: Annotated[
        bool,
        typer.Option("--anew", envvar="LGTM_DEPLOY_ANEW", help="Begin although an earlier run was stopped half-way."),
    ] = False,
    lock_wait: LockWait = 0,
    watch: Annotated[
        bool,
        typer.Option("--watch", envvar="LGTM_DEPLOY_WATCH", help="Ask all services meanwhile: who failed?"),
    ] = False,
    no_rollback: NoRollback = False,
) -> None:
    """Apply a plan: show what changes, ask, do it, and on failure go back."""
    from lgtm_deploy.cli import loading
    from lgtm_deploy.cli import saved as saved_plans
    from lgtm_deploy.cli.exits import exit_code_of
    from lgtm_deploy.cli.running import Wanted, run_plan
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
    check_approval(asks=wanted.ask, verb="apply")
    finished = run_plan(settings, stack, loaded, graph, wanted)
    raise typer.Exit(exit_code_of(finished))
