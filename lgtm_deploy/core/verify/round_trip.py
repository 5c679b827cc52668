"""A record that is written and read back: what is sent, what must come back, and what it means when it does not."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus

from lgtm_deploy.core.ports.web import HttpFailure, HttpRequest, HttpResponse, HttpResult
from lgtm_deploy.core.verify.finding import Judgement, Level
from lgtm_deploy.core.verify.tempo import is_unknown_trace
from lgtm_deploy.core.verify.troubles import judge_silence, said, titled, wrong_with

# A tenant that nobody has.
NOBODY = "lgtm-deploy-nobody"
_TIME = re.compile(r"too (new|old|far)|out.of.(order|bounds)|in the future", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read the record back, which must show it `within` so many seconds. `needed` says that a record that
    is not seen this way is lost; else it is only not found this way."""

    name: str
    question: HttpRequest
    found: Callable[[HttpResponse], bool]
    within: float
    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class RoundTrip:
    """A write, and the readings that must show what was written. `removal` makes the request that takes it away again
    from the answer to the write."""

    service: str
    prefix: str
    write: HttpRequest
    accepted: Callable[[HttpResponse], bool]
    readings: tuple[Reading, ...]
    others: bool = True
    """Whether the record belongs to a tenant: another one must not see it."""
    removal: Callable[[HttpResponse], HttpRequest] | None = None


def judge_write(trip: RoundTrip, reply: HttpResponse) -> Judgement:
    """Whether the record was taken."""
    if trip.accepted(reply):
        return Judgement.ok(f"accepted with {reply.status}")
    service = titled(trip.service)
    if reply.status == HTTPStatus.BAD_REQUEST and _TIME.search(reply.body):
        return Judgement.failed(
            said(reply),
            f"{service} refuses the time of the record: this machine's clock and its own disagree",
            "Compare the clock of this machine with that of the tasks' hosts.",
        )
    wrong = wrong_with(reply, trip.service, prefix=trip.prefix)
    if wrong:
        return _without_route(wrong, reply)
    return Judgement.failed(
        said(reply),
        "it answers, but not as one who takes the record",
        f"Check what answers there, and {service}'s log.",
    )


def may_come(trip: RoundTrip, heard: HttpResult) -> bool:
    """Return whether another look may show what this one did not."""
    if isinstance(heard, HttpFailure):
        # [run] Pyroscope 2.0.4 in a container answered its first query of written data after 20 s, the next at once.
        return heard.trouble in ("refused", "closed", "truncated", "timeout")
    if heard.status == HTTPStatus.NOT_FOUND:
        return is_unknown_trace(heard)
    return wrong_with(heard, trip.service) is None or heard.status >= HTTPStatus.TOO_MANY_REQUESTS


def judge_reading(trip: RoundTrip, reading: Reading, heard: HttpResult, waited: float, *, skewed: bool) -> Judgement:
    """What a reading means after its last look."""
    if isinstance(heard, HttpFailure):
        return judge_silence(heard, reading.question)
    if reading.found(heard):
        return Judgement.ok(f"there after {waited:.1f} s")
    if not is_unknown_trace(heard):
        wrong = wrong_with(heard, trip.service, prefix=trip.prefix)
        if wrong:
            return _without_route(wrong, heard) if reading.needed else wrong
    if skewed:
        why = "this machine's clock and the stack's disagree: the record lies where nobody looks"
        todo = "Set this machine's clock (NTP)."
    elif reading.needed:
        why = (
            "what was accepted cannot be read: it is lost, or the reading side looks elsewhere (tenant, storage, ring)"
        )
        todo = f"Look at {titled(trip.service)}'s log: its ingesters, and what the queriers find."
    else:
        why = "the record is there, but is not found this way"
        todo = f"Look at {titled(trip.service)}'s log: its index may be behind."
    level: Level = "failed" if reading.needed else "degraded"
    return Judgement(level=level, got=f"not there after {waited:.1f} s: {said(heard)}", means=why, todo=todo)


def _without_route(wrong: Judgement, reply: HttpResponse) -> Judgement:
    """Return what is wrong; a 404 is a failure here: the record is lost without this route."""
    return replace(wrong, level="failed") if reply.status == HTTPStatus.NOT_FOUND else wrong


def judge_other_tenant(trip: RoundTrip, reading: Reading, heard: HttpResult) -> Judgement:
    """Whether another tenant sees the record."""
    if isinstance(heard, HttpFailure):
        return judge_silence(heard, reading.question)
    if reading.found(heard):
        return Judgement.failed(
            "it sees the record",
            "tenants are not kept apart: everybody reads what everybody writes",
            f"Switch multi-tenancy on in {titled(trip.service)}'s configuration.",
        )
    return Judgement.ok(f"does not see it ({heard.status})")


def judge_removal(heard: HttpResult, after: HttpResult, reading: Reading) -> Judgement:
    """Whether the record is gone again."""
    if isinstance(heard, HttpFailure):
        return judge_silence(heard, reading.question)
    gone = isinstance(after, HttpResponse) and not reading.found(after)
    if heard.status == HTTPStatus.OK and gone:
        return Judgement.ok("removed again")
    return Judgement.degraded(
        said(heard) if heard.status != HTTPStatus.OK else "still there",
        "the record that was written stays",
        "Remove it by hand; the login may lack the permission to delete.",
    )
