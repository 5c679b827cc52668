"""lock and unlock: who may change the environment, and how to take it from a run that is dead."""

import json
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import Settings, group_of_verbs, settings_of

app = typer.Typer(help="Who may change the environment.", callback=group_of_verbs, invoke_without_command=True)


@app.command()
def show(context: typer.Context) -> None:
    """Who holds the environment: run, since when, and until when without a sign of life."""
    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.cli import loading, memory, wiring
    from lgtm_deploy.core.wire import moment

    settings = settings_of(context)
    stack = wiring.settled(loading.load_stack(settings))
    held = memory.lock(stack, SystemClock()).holder(stack.environment.name)
    if settings.output == "json":
        told = {"environment": stack.environment.name, "held": held is not None}
        if held:
            told |= {
                "run": held.run,
                "holder": held.holder,
                "since": moment(held.since),
                "ends": moment(held.ends),
                "fence": held.fence,
            }
        typer.echo(json.dumps(told))
    elif held is None:
        typer.echo(f"{stack.environment.name} is free.")
    else:
        typer.echo(
            f"{held.environment} is locked by run {held.run} ({held.holder}) since {held.since:%Y-%m-%d %H:%M:%S}; "
            f"its lease ends {held.ends:%H:%M:%S} UTC unless it is renewed (fence {held.fence})."
        )


def unlock(
    context: typer.Context,
    environment: Annotated[str, typer.Argument(help="The environment to free.")],
    run: Annotated[
        str, typer.Option(envvar="LGTM_DEPLOY_RUN", help="The run that holds it; a lock of another run is left.")
    ],
) -> None:
    """Take an environment from a run that is surely dead; its journal says so, and refuses what it still writes."""
    from dataclasses import replace

    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.cli import loading, memory, wiring

    settings: Settings = replace(settings_of(context), environment=environment)
    stack = wiring.settled(loading.load_stack(settings))
    held = memory.lock(stack, SystemClock()).break_(environment, run, wiring.caller_name())
    if settings.output == "json":
        told = {"environment": environment, "held": False, "run": held.run, "holder": held.holder}
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{environment} is free; run {held.run} ({held.holder}) held it.")
    typer.echo(f"If it had begun to change anything, go on with: lgtm-deploy resume {held.run} --env {environment}")
