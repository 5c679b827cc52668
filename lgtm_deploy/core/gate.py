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
    """Not yet; `reason` says what is missing. `poll_seconds` is how soon another look is worth it."""

    reason: str
    poll_seconds: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Shut:
    """It will not come to be."""

    reason: str
    kind: FailureKind = "failed"


Gate = Open[OutputsT] | Waiting | Shut
