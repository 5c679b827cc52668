"""What is asked of a service that is none of the five: the probes of its own that the stack file has."""

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.stack import Probe, Service
from lgtm_deploy.core.verify.check import JSON, Check, Place
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.troubles import said, wrong_with


def checks(place: Place, service: Service) -> list[Check]:
    """One check for each probe."""
    return [_check(place, probe) for probe in service.probes]


def _check(place: Place, probe: Probe) -> Check:
    def judge(reply: HttpResponse) -> Judgement:
        if reply.status == probe.status and probe.body in reply.body:
            return Judgement.ok(said(reply))
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        return wrong or Judgement.failed(
            said(reply),
            f"{probe.status}" + (f" with '{probe.body}'" if probe.body else "") + " was expected",
            f"Look at {place.service}'s log.",
        )

    typed = JSON if probe.send else {}
    question = place.question(probe.verb, probe.path, body=probe.send.encode(), headers=typed)
    return place.check(f"probe {probe.path}", question, judge)
