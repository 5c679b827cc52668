"""plans: what can be applied."""

import json
from pathlib import Path

import typer

from lgtm_deploy.cli.settings import settings_of


def plans(context: typer.Context) -> None:
    """The plans that can be applied: bundled ones and those in ./plans."""
    from lgtm_deploy.cli.loading import load_plan
    from lgtm_deploy.config.plan_file import available
    from lgtm_deploy.core.errors import UsageError

    rows = []
    for name, file in sorted(available(Path.cwd()).items()):
        try:
            description = load_plan(str(file), None).description
        except UsageError as error:
            description = f"cannot be used: {error}"
        rows.append({"plan": name, "description": description, "file": str(file)})
    if settings_of(context).output == "json":
        typer.echo(json.dumps(rows))
        return
    width = max((len(row["plan"]) for row in rows), default=0)
    for row in rows:
        typer.echo(f"{row['plan']:<{width}}  {row['description']}")
