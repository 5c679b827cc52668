"""Round trips: a record written through the stack, and read back until it is there."""

import secrets
from collections.abc import Sequence

from lgtm_deploy.core.errors import AccessError, NotFoundError
from lgtm_deploy.core.ports import HttpRequest, HttpResponse, HttpResult
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.task_group import side_by_side
from lgtm_deploy.core.verify import grafana as grafana_reads
from lgtm_deploy.core.verify import tenancy, writes
from lgtm_deploy.core.verify.check import Check, Place, as_tenant, asked
from lgtm_deploy.core.verify.clock import skew_finding
from lgtm_deploy.core.verify.explained import explained
from lgtm_deploy.core.verify.finding import Finding, Judgement, finding
from lgtm_deploy.core.verify.reads import kind_of, unasked_tenancy
from lgtm_deploy.core.verify.round_trip import (
    NOBODY,
    Reading,
    RoundTrip,
    judge_other_tenant,
    judge_reading,
    judge_removal,
    judge_write,
    may_come,
)
from lgtm_deploy.steps.target_groups import group_of
from lgtm_deploy.steps.verification.reading import DIRECT, Verification

OTLP_HTTP_PORT = 4318
WRITE = "write"
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0


def new_run() -> str:
    """What marks the records of one verification: 32 hex digits, which are also a trace's id."""
    return secrets.token_hex(16)


def write(verification: Verification, services: Sequence[Service], run: str = "") -> list[Finding]:
    """The findings of a round trip to each of the services that can be written to."""
    run = run or new_run()
    found = side_by_side(lambda service: _Writing(verification, service, run).findings(), services)
    return [finding for findings in found for finding in findings]


class _Writing:
    def __init__(self, verification: Verification, service: Service, run: str) -> None:
        self._verification = verification
        self._asker = verification.asker
        self._clock = verification.ports.clock
        self._service = service
        self._run = run
        self._place = verification.place(service)

    def findings(self) -> list[Finding]:
        trip = self._trip()
        if isinstance(trip, Finding):
            return [trip]
        if trip is None:
            return []
        name = "annotation written" if trip.removal else WRITE
        check = Check(
            service=trip.service, name=name, question=trip.write, judge=lambda reply: judge_write(trip, reply)
        )
        written, heard = self._asker.hear(check)
        written = explained(self._service, written, check.question, heard)
        if written.level == "failed" or not isinstance(heard, HttpResponse) or not trip.accepted(heard):
            return [written]
        read = side_by_side(lambda reading: self._read(trip, reading), trip.readings)
        findings = [written, *read]
        if trip.others and self._place.tenant and read[0].level == "ok":
            findings.append(self._as_another(trip, trip.readings[0]))
        findings += unasked_tenancy(self._service, self._place, tenancy.OTHER)
        if trip.removal:
            findings.append(self._removed(trip, trip.removal(heard)))
        return findings

    def _trip(self) -> RoundTrip | Finding | None:
        place = self._place
        now = self._clock.now().timestamp()
        match kind_of(self._service):
            case "grafana":
                login = self._verification.login.headers
                unasked = grafana_reads.unasked(place, "annotation written")
                return writes.grafana(place, login, self._run, now) if login else unasked
            case "mimir":
                from lgtm_deploy.steps.verification.remote_write import encode  # noqa: PLC0415 - heavy, and rarely used

                return writes.mimir(place, self._run, now, encode)
            case "loki":
                return writes.loki(place, self._run, now)
            case "tempo":
                return self._tempo(place, now)
            case "pyroscope":
                return writes.pyroscope(place, self._run, now)
        return None

    def _tempo(self, place: Place, now: float) -> RoundTrip | Finding:
        url = self._verification.stack.environment.traces
        if url == DIRECT:
            url = self._direct()
        if not url:
            return finding(place.service, WRITE, _NO_TRACES)
        return writes.tempo(place, writes.traces_place(place, url), self._run, now)

    def _direct(self) -> str:
        """The address of a task that gets requests; spans have a port of their own."""
        balancer = self._verification.ports.balancer
        try:
            group = group_of(balancer, self._service)
            targets = balancer.targets(group.arn) if group else ()
        except (NotFoundError, AccessError):
            return ""
        address = next((target.address for target in targets if target.status == "healthy"), "")
        host = f"[{address}]" if ":" in address else address
        return f"http://{host}:{OTLP_HTTP_PORT}" if address else ""

    def _read(self, trip: RoundTrip, reading: Reading) -> Finding:
        began = self._clock.monotonic()
        pause = _FIRST_PAUSE
        while True:
            heard = self._asker.ask(reading.question)
            waited = self._clock.monotonic() - began
            there = isinstance(heard, HttpResponse) and reading.found(heard)
            if there or waited >= reading.within or not may_come(trip, heard):
                break
            self._asker.pause(min(pause, max(reading.within - waited, 0.05)))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        skewed = skew_finding(self._asker.skews) is not None
        judgement = judge_reading(trip, reading, heard, waited, skewed=skewed)
        status = heard.status if isinstance(heard, HttpResponse) else 0
        found = finding(
            trip.service, reading.name, judgement, asked=asked(reading.question), status=status, seconds=waited
        )
        return explained(self._service, found, reading.question, heard)

    def _as_another(self, trip: RoundTrip, reading: Reading) -> Finding:
        question = as_tenant(reading.question, NOBODY)
        heard = self._asker.ask(question)
        judgement = judge_other_tenant(trip, reading, heard)
        return finding(trip.service, tenancy.OTHER, judgement, asked=asked(question), seconds=heard.seconds)

    def _removed(self, trip: RoundTrip, question: HttpRequest) -> Finding:
        heard = self._asker.ask(question)
        after: HttpResult = self._asker.ask(trip.readings[0].question)
        judgement = judge_removal(heard, after, trip.readings[0])
        return finding(trip.service, "annotation removed", judgement, asked=asked(question), seconds=heard.seconds)


_NO_TRACES = Judgement.not_configured(
    "not asked",
    "spans go to a port of their own (OTLP, 4318), and no path to it is known",
    "Set `traces` of the environment: a URL, or `direct` where this machine reaches the tasks.",
)
