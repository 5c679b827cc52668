"""verify: is the whole stack really working?"""

from enum import StrEnum
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of

_FAILED = 1
_USUALLY = 60.0


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
        Format | None,
        typer.Option("--format", envvar="LGTM_DEPLOY_VERIFY_FORMAT", help="table, markdown, junit or json."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1, max=300, envvar="LGTM_DEPLOY_VERIFY_TIMEOUT", help="Seconds for each request at the most."
        ),
    ] = 10,
    watch: Annotated[
        float | None,
        typer.Option(
            min=0.05, max=3600, envvar="LGTM_DEPLOY_VERIFY_WATCH", help="Ask every so many seconds, again and again."
        ),
    ] = None,
    during: Annotated[
        float | None,
        typer.Option("--for", min=0.1, max=86400, envvar="LGTM_DEPLOY_FOR", help="Watch for so many seconds; else 60."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", envvar="LGTM_DEPLOY_STRICT", help="Degraded counts as failed.")
    ] = False,
) -> None:
    """Ask every service through the stack's endpoint, and say what works and what does not."""
    import sys

    from lgtm_deploy.cli import loading
    from lgtm_deploy.cli.verifying import examined, verification, watched
    from lgtm_deploy.core.errors import UsageError
    from lgtm_deploy.render.findings import write_findings

    if during is not None and watch is None:
        raise UsageError("--for says how long to watch.", resolution="Say how often, too: --watch SECONDS.")
    if watch is not None and write:
        raise UsageError("--watch only reads.", resolution="Leave out --write, or run it beside.")
    settings = settings_of(context)
    stack = loading.load_stack(settings)
    named = [stack.service(name) for name in dict.fromkeys(services or stack.services)]
    asking = verification(stack, seconds=timeout)
    if watch is None:
        findings = examined(asking, named, write=write)
    else:
        findings = watched(asking, named, every=watch, seconds=_USUALLY if during is None else during)
    wanted = form or (Format.JSON if settings.output == "json" else Format.TABLE)
    write_findings(findings, wanted.value, sys.stdout, environment=stack.environment.name, url=asking.url)
    bad = {"failed", "degraded"} if strict else {"failed"}
    if any(finding.level in bad for finding in findings):
        raise typer.Exit(_FAILED)
