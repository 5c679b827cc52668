"""plan: what apply would do."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lgtm_deploy.cli.errors import tell_error
from lgtm_deploy.cli.options import PlanName, Variables
from lgtm_deploy.cli.settings import settings_of

_CHANGES = 2
_ERROR = 1


def plan(
    context: typer.Context,
    plan: PlanName,
    *,
    var: Variables = None,
    out: Annotated[
        Path | None, typer.Option(envvar="LGTM_DEPLOY_OUT", help="Keep it in this file, for `apply --plan`.")
    ] = None,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode",
            envvar="LGTM_DEPLOY_DETAILED_EXITCODE",
            help="0: no change, 1: error, 2: changes, as Terraform does.",
        ),
    ] = False,
) -> None:
    """Show what apply would do. Images are built here and Terraform plans; nothing outside is changed."""
    from lgtm_deploy.cli import loading
    from lgtm_deploy.cli.running import foresee_plan
    from lgtm_deploy.core.errors import DeployError
    from lgtm_deploy.render.preview import print_preview

    settings = settings_of(context)
    try:
        stack = loading.load_stack(settings)
        loaded = loading.load_plan(plan, stack)
        seen = foresee_plan(settings, stack, loaded, loading.variables(loaded, var or []), out=out)
    except DeployError as error:
        if not detailed_exitcode:
            raise
        raise typer.Exit(tell_error(error, _ERROR, as_json=settings.output == "json")) from error
    if settings.output == "json":
        # Fields that say nothing in this environment are left out.
        typer.echo(json.dumps({name: value for name, value in asdict(seen).items() if value is not None}))
    else:
        print_preview(seen, sys.stdout)
    if detailed_exitcode and seen.changes:
        raise typer.Exit(_CHANGES)
