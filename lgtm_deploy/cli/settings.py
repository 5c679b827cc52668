"""What was said before the verb."""

from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The general options. `environment` is empty when none was named."""

    stack: Path | None
    environment: str
    output: str
    """`live`, `plain` or `json`."""
    verbose: bool


def settings_of(context: typer.Context) -> Settings:
    """The settings of this call."""
    found = context.find_root().obj
    if not isinstance(found, Settings):
        raise TypeError("the general options were not read")
    return found
