"""What is asked of Pyroscope."""

import json

from lgtm_deploy.core.ports.web import HttpRequest, HttpResponse
from lgtm_deploy.core.verify.check import JSON, Check, Place
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.tenancy import without_tenant
from lgtm_deploy.core.verify.troubles import counted, parsed, said, wrong_with

QUERIER = "/querier.v1.QuerierService"
HOUR_MILLISECONDS = 3_600_000


def checks(place: Place, now: float) -> list[Check]:
    """Readiness and label names, and that they are not for everybody (Pyroscope: "Server HTTP API"). `now` is in
    seconds since 1970.

    Recorded (pyroscope-2.0.4-plain.json): a query without `start` and `end` is refused with 400.
    """

    def judge_ready(reply: HttpResponse) -> Judgement:
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        if wrong:
            return wrong
        if reply.body.strip() != "ready":
            return Judgement.failed(said(reply), "it is not Pyroscope's readiness", "Check what answers there.")
        return Judgement.ok("ready")

    def judge_names(reply: HttpResponse) -> Judgement:
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        content = wrong or parsed(reply)
        if isinstance(content, Judgement):
            return content
        # Protobuf's JSON leaves out what is empty.
        if not isinstance(content, dict) or not content.keys() <= {"names"}:
            return Judgement.failed(said(reply), "it is no list of label names", "Check what answers there.")
        return Judgement.ok(counted(content.get("names") or (), "labels"))

    ready = place.check("ready", place.get(f"{place.prefix}/ready"), judge_ready)
    names = place.check("label names", query(place, "LabelNames", now), judge_names)
    # Without a prefix no listener rule sends /ready to Pyroscope: the default rule would answer.
    own = [ready] if place.prefix else []
    return [*own, names, *([without_tenant(names, place.prefix)] if place.tenant else [])]


def query(place: Place, method: str, now: float, **fields: object) -> HttpRequest:
    """A call of the querier by the Connect protocol, over the last hour and the next minute. Times are in ms."""
    end = int(now * 1000) + 60_000
    body = {"start": end - HOUR_MILLISECONDS, "end": end, **fields}
    return place.post(f"{place.prefix}{QUERIER}/{method}", json.dumps(body).encode(), JSON)
