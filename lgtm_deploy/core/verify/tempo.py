"""What is asked of Tempo."""

from http import HTTPStatus
from urllib.parse import urlsplit

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.tenancy import without_tenant
from lgtm_deploy.core.verify.troubles import counted, parsed, said, wrong_with

# A 404 to a trace ID that Tempo does not know: 2.3.1 says so, 2.9.0 and 3.0.3 have an empty body (recorded:
# tempo-*-plain.json). A route that does not exist answers 404 with "404 page not found".
_UNKNOWN_TRACE = ("", "trace not found")


def is_unknown_trace(reply: HttpResponse) -> bool:
    """Return whether Tempo says that it does not have the trace, or not yet."""
    asked = "/api/traces/" in urlsplit(reply.url).path
    return asked and reply.status == HTTPStatus.NOT_FOUND and reply.body.strip() in _UNKNOWN_TRACE


def checks(place: Place) -> list[Check]:
    """Echo and search, and that traces are not for everybody (Tempo: HTTP API, "Query Echo Endpoint", "Search")."""

    def judge_echo(reply: HttpResponse) -> Judgement:
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        if wrong:
            return wrong
        if reply.body.strip() != "echo":
            return Judgement.failed(said(reply), "it is not Tempo's echo", "Check what answers there.")
        return Judgement.ok("echo")

    def judge_search(reply: HttpResponse) -> Judgement:
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        content = wrong or parsed(reply)
        if isinstance(content, Judgement):
            return content
        # Protobuf's JSON leaves out what is empty.
        if not isinstance(content, dict) or not (content.keys() <= {"traces", "metrics"}):
            return Judgement.failed(said(reply), "it is not Tempo's search", "Check what answers there.")
        return Judgement.ok(counted(content.get("traces") or (), "traces"))

    echo = place.check("echo", place.get(f"{place.prefix}/api/echo"), judge_echo)
    search = place.check("search", place.get(f"{place.prefix}/api/search?limit=1"), judge_search)
    return [echo, search, *([without_tenant(search, place.prefix)] if place.tenant else [])]
