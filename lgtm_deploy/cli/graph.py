"""graph: a plan's steps and their order, drawn."""

from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """How it is drawn."""

    ASCII = "ascii"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


def graph(
    plan: Annotated[str, typer.Argument(help="A plan's name or file.")],
    *,
    format_: Annotated[
        Format, typer.Option("--format", envvar="LGTM_DEPLOY_FORMAT", help="How it is drawn.")
    ] = Format.ASCII,
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

    drawing = phases if format_ is Format.ASCII and not expand else DRAWINGS[format_.value]
    for line in drawing(build(load_plan(plan, None), None)):
        typer.echo(line)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(graph)
