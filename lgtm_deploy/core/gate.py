"""What an observation means for a wait: go on, keep waiting, or give up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from lgtm_deploy.core.event import FailureKind

OutputsT = TypeVar("OutputsT")


@dataclass(frozen=True, kw_only=True)
class Open(Generic[OutputsT]):
    """What was waited for is there. `since` is when it came to be, where the world says so."""

    outputs: OutputsT
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Not yet; `reason` says what is missing. `poll_seconds` is how soon another look is worth it. `resolution` is what
    the reader can do when it never comes."""

    reason: str
    poll_seconds: float = 1.0
    resolution: str = ""


@dataclass(frozen=True, kw_only=True)
class Shut:
    """It will not come to be."""

    reason: str
    kind: FailureKind = "failed"


@dataclass(frozen=True, kw_only=True)
class LeftAsIs:
    """All that a step restores is restored, and something of its change stays: `remains` names it."""

    remains: str = ""


Gate = Open[OutputsT] | Waiting | Shut
Restoration = Gate[None] | LeftAsIs
