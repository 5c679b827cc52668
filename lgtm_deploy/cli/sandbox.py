"""sandbox: the local AWS with the stack in it."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import typer

from lgtm_deploy.cli.loading import stack_directory
from lgtm_deploy.cli.settings import Settings, group_of_verbs, settings_of
from lgtm_deploy.sandbox.image_choice import (
    FACTOR_VARIABLE,
    IMAGES_VARIABLE,
    Images,
    Source,
    Wanted,
    factor_of,
    images_of,
)

if TYPE_CHECKING:
    from lgtm_deploy.core.stack import Stack
    from lgtm_deploy.sandbox.connection import Connection

app = typer.Typer(
    help="The local AWS with the stack in it: up, down, status, reset.",
    callback=group_of_verbs,
    invoke_without_command=True,
)

Name = Annotated[str, typer.Option(envvar="LGTM_DEPLOY_SANDBOX", help="Several can run side by side.")]


def _stack(settings: Settings) -> "Stack":
    """The stack in the environment that is a sandbox."""
    from lgtm_deploy.cli import loading, wiring
    from lgtm_deploy.config import stack_file
    from lgtm_deploy.core.errors import UsageError

    file = loading.stack_file(settings)
    for name in [settings.environment] if settings.environment else stack_file.environments(file):
        stack = stack_file.load(file, name)
        if stack.environment.endpoint == wiring.SANDBOX:
            return stack
    raise UsageError(
        f"{file} has no environment with `endpoint: sandbox`.", resolution="Add one, or name it with --env."
    )


def _tell(message: str) -> None:
    if message:
        typer.echo(message, err=True)


def _called(name: str) -> str:
    """The tool's name as one types it to mean that sandbox."""
    return "lgtm-deploy" if name == "default" else f"LGTM_DEPLOY_SANDBOX={name} lgtm-deploy"


def _tell_images(connection: "Connection") -> None:
    """Say where the services' base images come from, why, and by how much stand-ins are faster."""
    from lgtm_deploy.core.words import grouped

    first, *more = grouped(connection.base_images())
    typer.echo(f"  base images     {first}")
    for line in more:
        typer.echo(f"                  {line}")
    typer.echo(f"  chosen          {connection.choice.reason}")
    if connection.choice.of(Source.STANDIN):
        typer.echo(f"  factor          {connection.choice.factor:g} (the delays of stand-ins are divided by it)")


def _tell_json(settings: Settings, name: str) -> None:
    """Write whether it is up, where, and on which base images, as one JSON object."""
    import json

    from lgtm_deploy.sandbox.home import home_for
    from lgtm_deploy.sandbox.lifecycle import status as look

    seen = look(home_for(stack_directory(settings)), name)
    found: dict[str, object] = {"name": name, "up": seen.is_up, "folder": str(seen.folder)}
    if (connection := seen.connection) is not None:
        found |= {"endpoint": connection.endpoint, "load_balancer_url": connection.load_balancer_url}
        found |= {"environment": connection.stack_environment}
        found |= {"engine_answers": seen.engine_answers}
        found |= {"docker_host": connection.docker_host, "records": str(connection.records)}
        found |= {"base_images": connection.base_images(), "base_images_reason": connection.choice.reason}
        found |= {"factor": connection.choice.factor}
    typer.echo(json.dumps(found))


def path_that_answers(connection: "Connection", stack: "Stack") -> str:
    """Return the first health check path that answers 200 through the load balancer now, else an empty text."""
    from lgtm_deploy.adapters.http import HttpAsker
    from lgtm_deploy.core.errors import TransientError

    asker = HttpAsker(connection.load_balancer_url)
    try:
        paths = (service.health.path for service in stack.services.values())
        return next((path for path in paths if asker.ask(path).status == HTTPStatus.OK), "")
    except TransientError:
        return ""


@app.command()
def up(
    context: typer.Context,
    *,
    name: Name = "default",
    fresh: Annotated[
        bool, typer.Option("--fresh", envvar="LGTM_DEPLOY_FRESH", help="Make it anew instead of from the kept copy.")
    ] = False,
    images: Annotated[
        Images | None,
        typer.Option(
            envvar=IMAGES_VARIABLE,
            parser=images_of,
            metavar="<auto|vendor|standin>",
            help="Base images: the vendors' own, stand-ins, or (auto, the default) the vendors' if they can be pulled.",
        ),
    ] = None,
    factor: Annotated[
        float | None,
        typer.Option(
            envvar=FACTOR_VARIABLE,
            parser=factor_of,
            metavar="<float>",
            help="Divisor of the delays of stand-ins, such as the time until they are ready. Default: 10.",
        ),
    ] = None,
) -> None:
    """Bring the stack up as it runs today, in a local AWS."""
    from lgtm_deploy.sandbox.lifecycle import up as bring_up

    settings = settings_of(context)
    stack = _stack(settings)
    connection = bring_up(stack, name, _tell, fresh=fresh, wanted=Wanted(images=images, factor=factor))
    if settings.output == "json":
        _tell_json(settings, name)
        return
    typer.echo(f"The sandbox '{name}' is up.")
    _tell_images(connection)
    typer.echo(f"  services        {_called(name)} status --env {stack.environment.name}")
    typer.echo(f"  load balancer   curl {connection.load_balancer_url}{path_that_answers(connection, stack)}")
    typer.echo(f"  AWS             AWS_ENDPOINT_URL={connection.endpoint}")
    typer.echo(f"  take it down    {_called(name)} sandbox down")


@app.command()
def down(context: typer.Context, *, name: Name = "default") -> None:
    """Take it down. What the next `up` needs to be quick is kept."""
    from lgtm_deploy.sandbox.home import home_for
    from lgtm_deploy.sandbox.lifecycle import down as take_down

    settings = settings_of(context)
    take_down(home_for(stack_directory(settings)), name, _tell)
    if settings.output == "json":
        _tell_json(settings, name)
        return
    typer.echo(f"The sandbox '{name}' is down.")


@app.command()
def reset(context: typer.Context, *, name: Name = "default") -> None:
    """Take it back to what runs today."""
    from lgtm_deploy.sandbox.lifecycle import reset as take_back

    settings = settings_of(context)
    take_back(_stack(settings), name, _tell)
    if settings.output == "json":
        _tell_json(settings, name)
        return
    typer.echo(f"The sandbox '{name}' is as it runs today.")


@app.command()
def status(context: typer.Context, *, name: Name = "default") -> None:
    """Show whether it is up, where, and on which base images."""
    from lgtm_deploy.sandbox.home import home_for
    from lgtm_deploy.sandbox.lifecycle import status as look

    settings = settings_of(context)
    if settings.output == "json":
        _tell_json(settings, name)
        return
    seen = look(home_for(stack_directory(settings)), name)
    connection = seen.connection
    if connection is None:
        typer.echo(f"The sandbox '{name}' is not up. Start it with `{_called(name)} sandbox up`.")
        return
    if seen.is_up:
        typer.echo(f"The sandbox '{name}' is up.")
    else:
        what = "local AWS" if seen.engine_answers else "Docker Engine"
        typer.echo(
            f"The sandbox '{name}' is not up: its {what} does not answer. Start it with `{_called(name)} sandbox up`."
        )
    typer.echo(f"  environment     {connection.stack_environment}")
    typer.echo(f"  load balancer   {connection.load_balancer_url}")
    typer.echo(f"  AWS             {connection.endpoint}")
    typer.echo(f"  Docker          {connection.docker_host}")
    _tell_images(connection)
    typer.echo(f"  what happened   {connection.records}")
