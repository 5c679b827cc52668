"""runs: what was run here."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of


def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, envvar="LGTM_DEPLOY_LIMIT", help="At most so many.")] = 20,
) -> None:
    """The latest runs, newest first."""
    from lgtm_deploy.cli.memory import remembered

    settings = settings_of(context)
    found = remembered(settings).runs(limit)
    if settings.output == "json":
        for each in found:
            typer.echo(json.dumps(asdict(each), default=lambda at: at.isoformat()))
        return
    if not found:
        typer.echo("There are no runs yet.")
    for each in found:
        verdict = each.verdict or "not finished"
        took = f"{each.seconds:.1f} s" if each.seconds else ""
        typer.echo(
            f"{each.run}  {each.started:%Y-%m-%d %H:%M:%S}  {verdict:<15} {took:>9}  "
            f"{each.plan} on {each.environment} by {each.by}"
        )
