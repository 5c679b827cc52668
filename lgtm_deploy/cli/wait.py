"""wait: until the newest deployment of services has settled, and why when it does not."""

from typing import TYPE_CHECKING, Annotated

import typer

from lgtm_deploy.cli.settings import Settings, settings_of

if TYPE_CHECKING:
    from lgtm_deploy.core.run import Run


def wait(
    context: typer.Context,
    services: Annotated[list[str], typer.Argument(help="Services of the stack file.")],
    *,
    timeout: Annotated[
        float, typer.Option(min=0, envvar="LGTM_DEPLOY_WAIT_TIMEOUT", help="Seconds to wait at the most.")
    ] = 900,
) -> None:
    """Wait until each service's newest deployment has settled, and say why when it does not."""
    from lgtm_deploy.cli import loading
    from lgtm_deploy.cli.watching import exit_code_of, watch_services

    settings = settings_of(context)
    stack = loading.load_stack(settings)
    named = [stack.service(name) for name in dict.fromkeys(services)]
    run = watch_services(settings, stack, named, timeout)
    _tell(settings, run)
    raise typer.Exit(exit_code_of(run))


def _tell(settings: Settings, run: "Run") -> None:
    import json

    from lgtm_deploy.cli.watching import ending_of, exit_code_of

    endings = {step.id: ending_of(step) for step in run.steps.values()}
    if settings.output == "json":
        found = {name: {"ending": ending.word, "reason": ending.reason} for name, ending in endings.items()}
        typer.echo(json.dumps({"event": "WaitFinished", "exit_code": exit_code_of(run), "services": found}))
        return
    for name, ending in endings.items():
        typer.echo(f"{name}: {ending.word}" + (f": {ending.reason}" if ending.reason else ""))
