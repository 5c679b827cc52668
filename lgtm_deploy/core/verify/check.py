"""A check: a request, and how its answer is judged."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from lgtm_deploy.core.ports.web import HttpFailure, HttpRequest, HttpResponse, HttpResult
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.finding import Finding, Judgement, Level, finding, worst
from lgtm_deploy.core.verify.troubles import judge_silence

TENANT_HEADER = "X-Scope-OrgID"
JSON = {"Content-Type": "application/json"}
# An answer may take so many seconds; one that takes longer is a working service that nobody likes to work with.
SLOW_SECONDS = 3.0
# Of a list that is only counted, so much is shown.
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a service is asked: the load balancer's URL, the tenant, and the prefix under which it is found there."""

    service: str
    url: str
    tenant: str = ""
    prefix: str = ""
    seconds: float = 10.0

    @classmethod
    def of(cls, service: Service, url: str, tenant: str, seconds: float = 10.0) -> "Place":
        """The place of a service of the stack file behind the load balancer of that URL; no answer may take longer."""
        prefix = service.prefix.rstrip("/")
        return cls(service=service.name, url=url.rstrip("/"), tenant=tenant, prefix=prefix, seconds=seconds)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> HttpRequest:
        """GET of a path, as the tenant."""
        return self.question("GET", path, headers=headers)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpRequest:
        """POST to a path, as the tenant."""
        return self.question("POST", path, body=body, headers=headers)

    def question(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> HttpRequest:
        """A request to a path, as the tenant."""
        tenant = {TENANT_HEADER: self.tenant} if self.tenant else {}
        return HttpRequest(
            method=method,
            url=self.url + path,
            body=body,
            headers={**tenant, **(headers or {})},
            seconds=self.seconds,
            service=self.service,
        )

    def check(
        self, name: str, question: HttpRequest, judge: "Callable[[HttpResponse], Judgement]", *, timed: bool = True
    ) -> "Check":
        """Return a check of the service."""
        return Check(service=self.service, name=name, question=question, judge=judge, timed=timed)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is asked of a service, and how an answer is judged; where it is not `timed`, a slow one is as good."""

    service: str
    name: str
    question: HttpRequest
    judge: Callable[[HttpResponse], Judgement]
    timed: bool = True


def as_nobody(question: HttpRequest) -> HttpRequest:
    """The same request without a tenant."""
    return as_tenant(question, "")


def as_tenant(question: HttpRequest, tenant: str) -> HttpRequest:
    """The same request as another tenant."""
    others = {name: value for name, value in question.headers.items() if name != TENANT_HEADER}
    return replace(question, headers={**others, **({TENANT_HEADER: tenant} if tenant else {})})


def asked(question: HttpRequest) -> str:
    """The request in short: method and path."""
    path = re.sub(r"^[a-z]+://[^/]*", "", question.url).partition("?")[0]
    return f"{question.method} {path or '/'}"


def judged(check: Check, heard: HttpResult) -> Finding:
    """What came of a check."""
    if isinstance(heard, HttpFailure):
        judgement = judge_silence(heard, check.question)
    else:
        judgement = _timed(check.judge(heard), heard) if check.timed else check.judge(heard)
    status = heard.status if isinstance(heard, HttpResponse) else 0
    return finding(
        check.service, check.name, judgement, asked=asked(check.question), status=status, seconds=heard.seconds
    )


def is_slow(heard: HttpResult) -> bool:
    """Whether an answer took longer than anybody likes."""
    return isinstance(heard, HttpResponse) and heard.seconds > SLOW_SECONDS


def recovered(result: Finding, first: Finding) -> Finding:
    """A check that was fine only when it was asked again: what came first counts, too."""
    if result.level != "ok" or first.level == "ok":
        return result
    return replace(
        result,
        level="degraded",
        got=f"{first.got}; then {result.got}",
        means=f"it did not answer at first: {first.means}" if first.means else "it did not answer at first",
        todo="Ask again in a minute. If it comes back: look at the tasks that the load balancer asks in turn.",
    )


def summed_up(service: str, name: str, parts: list[Finding], fine: str) -> Finding:
    """Several findings as one: the worst of them, and which ones are not fine."""
    level: Level = worst(each.level for each in parts)
    wrong = [each for each in parts if each.level == level]
    seconds = max((each.seconds for each in parts), default=0.0)
    statuses = [each.status for each in parts if each.status]
    status = next((each for each in statuses if each != HTTPStatus.NOT_FOUND), statuses[0] if statuses else 0)
    if level in ("ok", "not-configured") or not wrong:
        return Finding(
            service=service, check=name, level=level, asked=fine, got="as declared", status=status, seconds=seconds
        )
    shown = "; ".join(f"{each.asked}: {each.got}" for each in wrong[:_SHOWN])
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    first = wrong[0]
    return Finding(
        service=service,
        check=name,
        level=level,
        asked=fine,
        got=f"{len(wrong)} of {len(parts)} not: {shown}{more}",
        means=first.means,
        todo=first.todo,
        status=status,
        seconds=seconds,
    )


def _timed(judgement: Judgement, reply: HttpResponse) -> Judgement:
    if judgement.level != "ok":
        return judgement
    if not is_slow(reply):
        return judgement
    return Judgement.degraded(
        f"{judgement.got}, after {reply.seconds:.1f} s",
        f"it answers, but takes longer than {SLOW_SECONDS:g} s",
        "Look at its CPU, memory and storage.",
    )
