"""The envelope of Prometheus's HTTP API, which Mimir and Loki share."""

from collections.abc import Callable
from typing import Any

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.troubles import counted, parsed, said, titled, wrong_with


def listing(service: str, what: str) -> Callable[[HttpResponse], Judgement]:
    """Judges a list of names: `{"status": "success", "data": [...]}` (Prometheus: HTTP API, "Format overview").

    Loki leaves `data` out where the list is empty.
    """

    def judge(reply: HttpResponse) -> Judgement:
        wrong = wrong_with(reply, service)
        if wrong:
            return wrong
        if not reply.whole and '"status":"success"' in reply.body[:200].replace(" ", ""):
            return Judgement.ok(f"more {what} than were read")
        data = success(reply, service)
        if isinstance(data, Judgement):
            return data
        if data is not None and not isinstance(data, list):
            return Judgement.failed(said(reply), f"it is no list of {what}", "Check what answers there.")
        return Judgement.ok(counted(data or (), what))

    return judge


def success(reply: HttpResponse, service: str) -> Any | Judgement:
    """What `data` holds, or what is wrong with the answer."""
    content = parsed(reply)
    if isinstance(content, Judgement):
        return content
    if not isinstance(content, dict) or content.get("status") != "success":
        return Judgement.failed(
            said(reply),
            f"it is not what {titled(service)} answers when all is well",
            f"Check what answers there, and {titled(service)}'s log.",
        )
    return content.get("data")


def samples(reply: HttpResponse) -> list[Any]:
    """The series or streams of a query's answer; none where it is not one."""
    data = success(reply, "it")
    found = data.get("result") if isinstance(data, dict) else None
    return found if isinstance(found, list) else []
