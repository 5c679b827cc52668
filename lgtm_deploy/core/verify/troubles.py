"""What is wrong with an answer, or with the lack of one, whichever service was asked."""

import json
import re
from collections.abc import Mapping, Sized
from http import HTTPStatus
from typing import Any, get_args
from urllib.parse import urlsplit

from lgtm_deploy.core.ports.web import HttpFailure, HttpRequest, HttpResponse, Trouble
from lgtm_deploy.core.stack import ServiceKind
from lgtm_deploy.core.verify.finding import Judgement, Level

_BODY = 80
_HTML = re.compile(r"^\s*(<!doctype html|<html)", re.IGNORECASE)
_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_LOGIN = re.compile(r"/login(/[\w-]+)?$")
# Go's http.NotFound: what these programs answer to a path that they have no route for.
_NO_ROUTE = "404 page not found"
# The load balancer answers so itself (AWS: ELB user guide, "Load balancer generates an HTTP error").
_BALANCER_ERRORS = {
    HTTPStatus.BAD_GATEWAY: "the task closed the connection or sent no HTTP",
    HTTPStatus.SERVICE_UNAVAILABLE: "the target group has no registered target",
    HTTPStatus.GATEWAY_TIMEOUT: "the task did not answer in time",
}

_SILENCE: Mapping[Trouble, tuple[str, str]] = {
    "dns": (
        "the load balancer's name does not resolve",
        "Check `url` of the environment, or its DNS record; a private name needs the VPC's resolver.",
    ),
    "refused": (
        "nothing listens there",
        "Check that the load balancer has a listener on that port, and `url` of the environment.",
    ),
    "unreachable": (
        "no connection could be made: a security group, a route or a firewall is in between",
        "Check the load balancer's security groups, and whether it is internal while this is asked from outside.",
    ),
    "tls": (
        "the certificate or the handshake is not accepted",
        "Check the listener's certificate: its names, its dates, its chain; whether `url` should be http://; or name "
        "the authority that signed it in `ca_bundle` of the environment.",
    ),
    "timeout": (
        "a connection, but no complete answer in time",
        "Look at the tasks behind it: CPU, memory, storage; and at the load balancer's idle timeout.",
    ),
    "redirect-loop": (
        "it is sent in circles, as when a proxy and the load balancer disagree about HTTPS",
        "Check the redirect action of the listener on port 80, and Grafana's `root_url` and `serve_from_sub_path`.",
    ),
    "truncated": (
        "the answer broke off in the middle",
        "Look at the task's log: it was killed or crashed while it answered.",
    ),
    "closed": (
        "the connection was closed without an answer",
        "Look at the task's log: it crashes on the request, or something in between drops it.",
    ),
    "not-http": (
        "what came back is no HTTP",
        "Check the port: this may be a gRPC or TLS port.",
    ),
    "bad-url": ("it is no URL", "Correct `url` of the environment in the stack file."),
}


def judge_silence(nothing: HttpFailure, question: HttpRequest) -> Judgement:
    """No answer is always a failure; which one tells where to look."""
    means, todo = _SILENCE[nothing.trouble]
    where = urlsplit(question.url).netloc if nothing.trouble != "bad-url" else question.url
    said = {"timeout": f"no answer within {question.seconds:g} s"}.get(nothing.trouble, nothing.detail)
    return Judgement.failed(f"{nothing.trouble}: {said}".rstrip(": "), f"{where}: {means}", todo)


def wrong_with(reply: HttpResponse, service: str, *, prefix: str = "", ours: bool = False) -> Judgement | None:
    """What is wrong with an answer, whatever was asked; None: it is a 2xx that nobody else has given.

    `ours` says that an HTML page is what was asked for.
    """
    service = titled(service)
    if not ours and _from_somebody_else(reply):
        return _somebody_else(reply, service)
    if 200 <= reply.status < 300:  # noqa: PLR2004 - success, as HTTP has it
        return None
    return _by_status(reply, service, prefix)


def titled(service: str) -> str:
    """A program's name as people write it; that of another service as it is."""
    return service.capitalize() if service in get_args(ServiceKind) else service


def said(reply: HttpResponse) -> str:
    """The answer in short: status and the beginning of its body."""
    text = " ".join(reply.body.split())
    if _HTML.match(reply.body):
        title = _TITLE.search(reply.body)
        text = f"HTML page '{' '.join(title[1].split())}'" if title else "an HTML page"
        return f"{reply.status}, {text}"
    if not text:
        return f"{reply.status} with an empty body"
    return f"{reply.status} '{text[:_BODY]}{'…' if len(text) > _BODY else ''}'"


def counted(things: Sized, what: str) -> str:
    """How many of what, such as `1 label` or `2 labels`."""
    return f"{len(things)} {what if len(things) != 1 else what.removesuffix('s')}"


def parsed(reply: HttpResponse) -> Any | Judgement:
    """The JSON of a 2xx, or what is wrong with it."""
    try:
        return json.loads(reply.body)
    except ValueError as error:
        begins = reply.body.lstrip()[:1] in ("{", "[")
        cut = begins and reply.whole
        return Judgement.failed(
            said(reply),
            "the JSON breaks off in the middle" if cut else f"it is not JSON ({error})",
            "Look at its log, and at proxies between it and here: somebody cuts answers off."
            if cut
            else "Check what answers there.",
        )


def _from_somebody_else(reply: HttpResponse) -> bool:
    """A page for people where a program was asked: Grafana takes whatever no rule of the load balancer took."""
    if (reply.redirected and is_login(reply.url)) or is_login(reply.headers.get("location", "")):
        return True
    if _HTML.match(reply.body):
        return not _from_balancer(reply)
    # Grafana: its API's own answer to a path that it does not know.
    return reply.status == HTTPStatus.NOT_FOUND and reply.body.lstrip().startswith('{"message":')


def is_login(url: str) -> bool:
    """Return whether a URL is Grafana's login page, or that of one of its providers, also below a sub-path.

    Grafana: "Configure authentication", "Automatic OAuth login": the login page leads to the provider without asking.
    """
    return bool(_LOGIN.search(urlsplit(url).path))


def _somebody_else(reply: HttpResponse, service: str) -> Judgement:
    grafana = "grafana" in reply.body.lower() or '"message"' in reply.body or "/login" in reply.url
    answered = "Grafana answered" if grafana else "a web page answered"
    return Judgement.failed(
        said(reply) + (" at /login" if is_login(reply.url) else ""),
        f"{answered}, not {service}: no listener rule sends this path to {service}, so the default rule took it",
        f"Check the load balancer's rules for {service}: their paths, their order, their target group.",
    )


def _by_status(reply: HttpResponse, service: str, prefix: str) -> Judgement:
    status = reply.status
    if status == HTTPStatus.NOT_FOUND:
        return _missing(reply, service, prefix)
    got = said(reply)
    if 300 <= status < 400:  # noqa: PLR2004 - redirects, as HTTP has them
        got = f"{status} to {reply.headers.get('location', 'nowhere')}"
    if _from_balancer(reply) and status in _BALANCER_ERRORS:
        means = f"the load balancer answers itself: {_BALANCER_ERRORS[HTTPStatus(status)]}"
        todo = "See `lgtm-deploy status` and {service}'s log."
    elif "no org id" in reply.body:
        means, todo = _LOST_TENANT
    elif "www-authenticate" in reply.headers:
        means, todo = _NO_LOGIN
    else:
        means, todo = _MEANINGS.get(status) or _MEANINGS.get(status // 100 * 100, _MEANINGS[100])
    level: Level = "degraded" if status == HTTPStatus.TOO_MANY_REQUESTS else "failed"
    return Judgement(level=level, got=got, means=means.format(service=service), todo=todo.format(service=service))


_LOST_TENANT = (
    "the tenant's header did not reach {service}, or there is none",
    "Set `tenant` of the environment; if it is set, look at what stands in between and drops the header.",
)
# RFC 9110, 11.6.1: who asks for a login says so in this header.
_NO_LOGIN = (
    "a gateway before {service} asks for a login",
    "Set `headers` of the environment or of the service, with a value from an environment variable.",
)
_REFUSED = (
    "the tenant that was sent is not accepted",
    "Check `tenant` of the environment, and what stands between here and {service}.",
)
# By status, else by its hundred.
_MEANINGS: Mapping[int, tuple[str, str]] = {
    100: ("it is no answer", "Check what answers there."),
    300: ("it sends whoever asks elsewhere", "Let `url` of the environment be where it leads, if that is the stack."),
    400: ("{service} refuses the request", "Compare its version with what it is asked."),
    401: _REFUSED,
    403: _REFUSED,
    429: (
        "it works, but a limit of this tenant, or of everybody, is reached",
        "Look at {service}'s limits, and at who sends so much.",
    ),
    500: ("{service} fails on the request", "Look at {service}'s log."),
    503: ("{service} says that it is not ready", "Wait, if it has just been started; else look at its log."),
}


def prefix_todo(service: str, setting: str = "") -> str:
    """Return the advice for a service that does not serve its prefix; `setting` is the one that it takes, if known."""
    how = f"`{setting}`; " if setting else ""
    return (
        f"Give {titled(service)} its prefix ({how}`lgtm-deploy plan prefix-change`), or let the load balancer rewrite "
        "the path."
    )


def _missing(reply: HttpResponse, service: str, prefix: str) -> Judgement:
    if _NO_ROUTE in reply.body:
        why = (
            f"the route does not exist: the load balancer forwards {prefix}/* as it is, and this {service} does not "
            f"serve the prefix {prefix}"
            if prefix
            else f"the route does not exist in this {service}"
        )
        todo = prefix_todo(service) if prefix else f"Compare {service}'s version and configuration with the path."
        return Judgement.degraded(said(reply), why, todo)
    return Judgement.degraded(
        said(reply), f"{service} has nothing there", f"Compare {service}'s version and configuration with the path."
    )


def _from_balancer(reply: HttpResponse) -> bool:
    return reply.headers.get("server", "").startswith("awselb")
