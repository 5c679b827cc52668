"""show: one run, step by step."""

import sys
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of


def show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run's id, the beginning of it, or `last`.")] = "last",
) -> None:
    """The timeline of a run: seconds per step, its critical path, its failures."""
    from lgtm_deploy.cli.loading import stack_directory
    from lgtm_deploy.cli.wiring import find_run, journal
    from lgtm_deploy.core.wire import encode
    from lgtm_deploy.render.timeline import print_timeline

    settings = settings_of(context)
    remembered = journal(stack_directory(settings))
    records = remembered.records(find_run(remembered, run))
    if settings.output == "json":
        for record in records:
            typer.echo(encode(record))
        return
    print_timeline(records, sys.stdout)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(show)
