"""What is asked of Tempo."""

from lgtm_deploy.core.ports.web import Reply
from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.tenancy import without_tenant
from lgtm_deploy.core.verify.troubles import counted, parsed, said, wrong_with


def checks(place: Place) -> list[Check]:
    """Echo and search, and that traces are not for everybody (Tempo: HTTP API, "Query Echo Endpoint", "Search")."""

    def judge_echo(reply: Reply) -> Judgement:
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        if wrong:
            return wrong
        if reply.body.strip() != "echo":
            return Judgement(
                level="failed", got=said(reply), means="it is not Tempo's echo", todo="Check what answers there."
            )
        return Judgement(level="ok", got="echo")

    def judge_search(reply: Reply) -> Judgement:
        wrong = wrong_with(reply, place.service, prefix=place.prefix)
        content = wrong or parsed(reply)
        if isinstance(content, Judgement):
            return content
        # Protobuf's JSON leaves out what is empty.
        if not isinstance(content, dict) or not (content.keys() <= {"traces", "metrics"}):
            return Judgement(
                level="failed", got=said(reply), means="it is not Tempo's search", todo="Check what answers there."
            )
        return Judgement(level="ok", got=counted(content.get("traces") or (), "traces"))

    echo = Check(service=place.service, name="echo", question=place.get(f"{place.prefix}/api/echo"), judge=judge_echo)
    search = Check(
        service=place.service,
        name="search",
        question=place.get(f"{place.prefix}/api/search?limit=1"),
        judge=judge_search,
    )
    return [echo, search, *([without_tenant(search, place.prefix)] if place.tenant else [])]
