"""resume: go on with a run that was stopped or killed."""

import typer

from lgtm_deploy.cli.options import LockWait, NoRollback, RunName, Variables, Yes, check_approval
from lgtm_deploy.cli.settings import settings_of


def resume(
    context: typer.Context,
    run: RunName,
    *,
    yes: Yes = False,
    var: Variables = None,
    lock_wait: LockWait = 0,
    no_rollback: NoRollback = False,
) -> None:
    """Go on with a run: what is done is not done again, what was under way is looked at first."""
    from lgtm_deploy.cli import loading, memory, wiring
    from lgtm_deploy.cli.exits import exit_code_of
    from lgtm_deploy.cli.running import Wanted, resume_run

    settings = settings_of(context)
    remembered = memory.remembered(settings)
    begun = wiring.begun_run(remembered, run, settings.environment)
    stack = loading.load_stack(settings.in_environment(begun.environment))
    plan = loading.begun_plan(begun, stack)
    check_approval(asks=not yes, verb="go on")
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
