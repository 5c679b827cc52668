"""What was said before the verb."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from lgtm_deploy.core.errors import UsageError

# Variables that several verbs shared and each took for something else: by verb the one that it has now.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "LGTM_DEPLOY_FORMAT": {"graph": "LGTM_DEPLOY_GRAPH_FORMAT", "verify": "LGTM_DEPLOY_VERIFY_FORMAT"},
    "LGTM_DEPLOY_TIMEOUT": {
        "apply": "LGTM_DEPLOY_APPLY_TIMEOUT",
        "cancel": "LGTM_DEPLOY_CANCEL_TIMEOUT",
        "wait": "LGTM_DEPLOY_WAIT_TIMEOUT",
    },
}


_USAGE = 2


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The general options. `environment` is empty when none was named."""

    stack: Path | None
    environment: str
    output: str
    """`live`, `plain` or `json`."""
    verbose: bool

    def in_environment(self, environment: str) -> "Settings":
        """These settings in that environment, unless one was named."""
        return self if self.environment else replace(self, environment=environment)


def settings_of(context: typer.Context) -> Settings:
    """Return the settings of this call. Raises UsageError: a variable that has another name now is set."""
    for old, renamed in _RENAMED.items():
        new = renamed.get(context.info_name or "")
        if new and os.environ.get(old):
            raise UsageError(f"{old} is not read any more.", resolution=f"Set {new} instead, and unset {old}.")
    found = context.find_root().obj
    if not isinstance(found, Settings):
        raise TypeError("the general options were not read")
    return found


def group_of_verbs(context: typer.Context) -> None:
    """Show the help of a group whose verb is missing, and end. Raises UsageError where programs read the output."""
    if context.invoked_subcommand is not None:
        return
    if settings_of(context).output == "json":
        raise UsageError("The verb is missing.", resolution=f"See `{context.command_path} --help`.")
    # With rich, typer prints it and returns nothing.
    if text := context.get_help():
        typer.echo(text)
    raise typer.Exit(_USAGE)
