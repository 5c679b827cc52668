"""schema: the JSON Schema of plan and stack files, for editors."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class Kind(StrEnum):
    """Which file."""

    PLAN = "plan"
    STACK = "stack"


def schema(kind: Annotated[Kind, typer.Argument(help="The kind of file.")]) -> None:
    """Print the JSON Schema of plan or stack files."""
    from lgtm_deploy.config.documents import StackDocument, json_schema, plan_schema
    from lgtm_deploy.recipes.registry import recipes

    found = plan_schema(recipes()) if kind is Kind.PLAN else json_schema(StackDocument)
    typer.echo(json.dumps(found, indent=2))
