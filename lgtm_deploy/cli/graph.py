"""graph: a plan's steps and their order, drawn."""

from enum import StrEnum
from typing import Annotated

import typer

from lgtm_deploy.cli.options import PlanName
from lgtm_deploy.cli.settings import settings_of


class Format(StrEnum):
    """How it is drawn."""

    ASCII = "ascii"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


def graph(
    context: typer.Context,
    plan: PlanName,
    format_: Annotated[
        Format | None, typer.Option("--format", envvar="LGTM_DEPLOY_GRAPH_FORMAT", help="How it is drawn; else ascii.")
    ] = None,
) -> None:
    """Draw a plan's steps and their order."""
    from lgtm_deploy.cli.loading import load_plan
    from lgtm_deploy.core.graph import expand
    from lgtm_deploy.render.graph import DRAWINGS

    form = format_ or (Format.JSON if settings_of(context).output == "json" else Format.ASCII)
    for line in DRAWINGS[form.value](expand(load_plan(plan, None))):
        typer.echo(line)
