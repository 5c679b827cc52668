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
    *,
    format_: Annotated[
        Format | None, typer.Option("--format", envvar="LGTM_DEPLOY_GRAPH_FORMAT", help="How it is drawn; else ascii.")
    ] = None,
    expand: Annotated[
        bool,
        typer.Option(
            "--expand", envvar="LGTM_DEPLOY_EXPAND", help="Every step with what it needs, in place of the phases."
        ),
    ] = False,
) -> None:
    """Draw a plan's phases, or every step and its order. Formats other than ascii have every step."""
    from lgtm_deploy.cli.loading import load_plan
    from lgtm_deploy.core.recipe import build
    from lgtm_deploy.render.graph import DRAWINGS, phases

    form = format_ or (Format.JSON if settings_of(context).output == "json" else Format.ASCII)
    drawing = phases if form is Format.ASCII and not expand else DRAWINGS[form.value]
    for line in drawing(build(load_plan(plan, None), None)):
        typer.echo(line)
