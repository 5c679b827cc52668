"""How a step can end, and what a look at the world can mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lgtm_deploy.core.event import FailureKind


@dataclass(frozen=True, kw_only=True)
class Succeeded:
    """The work is done. `since` is when the world had changed, where that is known."""

    outputs: Mapping[str, Any]
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Unchanged:
    """There was nothing to do."""

    outputs: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """It failed for good. `acted`: something outside may have been changed."""

    reason: str
    kind: FailureKind = "failed"
    acted: bool = False


@dataclass(frozen=True, kw_only=True)
class InDoubt:
    """A change was sent and its outcome is unknown."""

    reason: str


Outcome = Succeeded | Unchanged | Failed | InDoubt
