"""Does this machine's clock agree with the stack's? Records that are written with a wrong time are refused or lost."""

from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.verify.finding import Finding

# A Date header has whole seconds, and answers take a while.
TOLERATED_SECONDS = 30.0
STACK = "stack"


def skew(reply: HttpResponse, now: datetime) -> float | None:
    """So many seconds the answer's Date is ahead of this machine (RFC 9110, 6.6.1); None: it has no such header."""
    try:
        told = parsedate_to_datetime(reply.headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return ((told if told.tzinfo else told.replace(tzinfo=UTC)) - now).total_seconds()


def skew_finding(skews: Iterable[float]) -> Finding | None:
    """A finding when the clocks disagree."""
    known = list(skews)
    ahead = median(known) if known else 0.0
    if abs(ahead) < TOLERATED_SECONDS:
        return None
    return Finding(
        service=STACK,
        check="clock",
        level="degraded",
        asked="Date of the answers",
        got=f"this machine is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead'}",
        means="what is written with the time of this machine is refused, or not found when it is asked for",
        todo="Set this machine's clock (NTP); if it is right, the stack's hosts are wrong.",
    )
