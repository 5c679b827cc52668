"""validate: are the files right? No outside call is made."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lgtm_deploy.cli.settings import settings_of


def validate(
    context: typer.Context,
    plans: Annotated[list[str] | None, typer.Argument(help="Names or files; none: all there are.")] = None,
) -> None:
    """Check stack and plan files only; nothing outside is asked."""
    from lgtm_deploy.cli.loading import load_plan, stack_file
    from lgtm_deploy.config import plan_file
    from lgtm_deploy.config import stack_file as stacks
    from lgtm_deploy.core.errors import UsageError
    from lgtm_deploy.core.recipe import build

    settings = settings_of(context)

    def tell(line: str, **facts: object) -> None:
        typer.echo(json.dumps(facts) if settings.output == "json" else line)

    stack = None
    try:
        file = stack_file(settings)
    except UsageError:
        # Plans can be checked where there is no stack; a stack that was named must be there.
        if settings.stack or settings.environment or not plans:
            raise
    else:
        names = [settings.environment] if settings.environment else stacks.environments(file)
        for name in names:
            stack = stacks.load(file, name)
            count = len(stack.services)
            line = f"{file}: environment {name} is valid ({count} services)"
            tell(line, file=str(file), environment=name, valid=True, services=count)
    for plan in plans or sorted(plan_file.available(Path.cwd())):
        # A bundled plan that nobody named need not fit this stack.
        fits = stack if plans or plan_file.find(plan, Path.cwd()).parent == Path.cwd() / "plans" else None
        graph = build(load_plan(plan, fits), fits)
        found = str(plan_file.find(plan, Path.cwd()))
        tell(f"{found}: valid ({len(graph.nodes)} steps)", file=found, valid=True, steps=len(graph.nodes))
