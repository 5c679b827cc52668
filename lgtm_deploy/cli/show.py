"""show: one run, step by step."""

import sys

import typer

from lgtm_deploy.cli.options import RunName
from lgtm_deploy.cli.settings import settings_of


def show(
    context: typer.Context,
    run: RunName = "last",
) -> None:
    """The timeline of a run: seconds per step, its critical path, its failures."""
    from lgtm_deploy.cli.memory import remembered
    from lgtm_deploy.cli.wiring import find_run
    from lgtm_deploy.core.wire import encode
    from lgtm_deploy.render.timeline import print_timeline

    settings = settings_of(context)
    journal = remembered(settings)
    records = journal.records(find_run(journal, run, settings.environment))
    if settings.output == "json":
        for record in records:
            typer.echo(encode(record))
        return
    print_timeline(records, sys.stdout)
