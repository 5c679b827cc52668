"""graph: a plan's steps and their order, drawn."""

from enum import StrEnum
from typing import Annotated

import typer

from lgtm_deploy.cli.options import PlanName


class Format(StrEnum):
    """How it is drawn."""

    ASCII = "ascii"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


def graph(
    plan: PlanName,
    format_: Annotated[
        Format, typer.Option("--format", envvar="LGTM_DEPLOY_FORMAT", help="How it is drawn.")
    ] = Format.ASCII,
) -> None:
    """Draw a plan's steps and their order."""
    from lgtm_deploy.cli.loading import load_plan
    from lgtm_deploy.core.graph import expand
    from lgtm_deploy.render.graph import DRAWINGS

    for line in DRAWINGS[format_.value](expand(load_plan(plan, None))):
        typer.echo(line)
