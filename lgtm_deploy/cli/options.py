"""Arguments and options that several commands have."""

import sys
from typing import Annotated

import typer

PlanName = Annotated[str, typer.Argument(help="A plan's name or file.")]
RunName = Annotated[str, typer.Argument(help="The run's id, the beginning of it, or `last`.")]
Yes = Annotated[bool, typer.Option("--yes", envvar="LGTM_DEPLOY_YES", help="Do not ask.")]
Variables = Annotated[
    list[str] | None, typer.Option(envvar="LGTM_DEPLOY_VAR", help="A variable of the plan, as NAME=VALUE.")
]
LockWait = Annotated[
    float,
    typer.Option(min=0, envvar="LGTM_DEPLOY_LOCK_WAIT", help="Seconds to wait while another run has the lock."),
]
NoRollback = Annotated[
    bool,
    typer.Option("--no-rollback", envvar="LGTM_DEPLOY_NO_ROLLBACK", help="On failure leave everything as it is."),
]


def check_approval(*, asks: bool, verb: str) -> None:
    """Raise UsageError when approval is to be asked for and there is no terminal."""
    from lgtm_deploy.core.errors import UsageError

    if asks and not sys.stdin.isatty():
        message = "There is no terminal to ask for approval at."
        raise UsageError(message, resolution=f"Pass --yes to {verb} without it.")
