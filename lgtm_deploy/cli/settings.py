"""What was said before the verb."""

from dataclasses import dataclass, replace
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

    def in_environment(self, environment: str) -> "Settings":
        """These settings in that environment, unless one was named."""
        return self if self.environment else replace(self, environment=environment)


def settings_of(context: typer.Context) -> Settings:
    """The settings of this call."""
    found = context.find_root().obj
    if not isinstance(found, Settings):
        raise TypeError("the general options were not read")
    return found
