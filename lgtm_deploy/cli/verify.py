"""verify: is the whole stack really working?"""

from enum import StrEnum
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of

_FAILED = 1


class Format(StrEnum):
    """How the findings are written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JUNIT = "junit"
    JSON = "json"


def verify(
    context: typer.Context,
    services: Annotated[list[str] | None, typer.Argument(help="Services of the stack file; else all.")] = None,
    *,
    write: Annotated[
        bool,
        typer.Option("--write", envvar="LGTM_DEPLOY_WRITE", help="Also write a record to each, and read it back."),
    ] = False,
    form: Annotated[
        Format | None, typer.Option("--format", envvar="LGTM_DEPLOY_FORMAT", help="table, markdown, junit or json.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=300, envvar="LGTM_DEPLOY_TIMEOUT", help="Seconds for each request at the most."),
    ] = 10,
    strict: Annotated[
        bool, typer.Option("--strict", envvar="LGTM_DEPLOY_STRICT", help="Degraded counts as failed.")
    ] = False,
) -> None:
    """Ask every service through the stack's endpoint, and say what works and what does not."""
    import sys

    from lgtm_deploy.cli import loading
    from lgtm_deploy.cli.verifying import examined, verification
    from lgtm_deploy.render.findings import write_findings

    settings = settings_of(context)
    stack = loading.load_stack(settings)
    named = [stack.service(name) for name in dict.fromkeys(services or stack.services)]
    asking = verification(stack, seconds=timeout)
    findings = examined(asking, named, write=write)
    wanted = form or (Format.JSON if settings.output == "json" else Format.TABLE)
    write_findings(findings, wanted.value, sys.stdout, environment=stack.environment.name, url=asking.url)
    bad = {"failed", "degraded"} if strict else {"failed"}
    if any(finding.level in bad for finding in findings):
        raise typer.Exit(_FAILED)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(verify)
