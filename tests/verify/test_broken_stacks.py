"""Stacks that are broken, each in one way: every one is caught, with the right verdict and cause."""

import gzip
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.ports import Balancer, Login, Ports, Target, TargetGroup
from lgtm_deploy.core.verify.check import SLOW_SECONDS
from lgtm_deploy.core.verify.finding import Finding, Level, by_service, worst
from lgtm_deploy.fakes import FakeBalancer, FakeRegistry, FakeRollouts
from lgtm_deploy.sandbox.standins.listener import NOT_FOUND, Request, Response, document, text
from tests.verify.loopback import Answer, Breakage, Loopback, Raw, example, found_in, on_loopback, sound, started

pytestmark = pytest.mark.long

TENANT = "x-scope-orgid"
# Of nobody: made for this test, for a name that is not asked.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUNJ4k7Rf5xBxGpL2y5h/aU+HnBtswCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRZWxzZXdoZXJlLmV4YW1wbGUwIBcNMjYxMTIzMTIwMDMzWhgP
MjEyNjEwMzAxMjAwMzNaMBwxGjAYBgNVBAMMEWVsc2V3aGVyZS5leGFtcGxlMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE31MsfsNqDf72nCbVQ2XPULxV+ANSKk45
7ir/ia2Dzf7DRXB0zW1vcAAomWjIaWREJn+4SvRd42dJH2yFVF3PAqNTMFEwHQYD
VR0OBBYEFIVfarOEJopJjflUyDsE08OBOi2vMB8GA1UdIwQYMBaAFIVfarOEJopJ
jflUyDsE08OBOi2vMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIh
APJdH9xbJjOvj/p/BJ3e2YWsxTy7CshrUAowcaun0gJLAiBlIpV6/1WLIm6OkjFe
UoXT5Mk8r8hqauwVLxF1SWfiLQ==
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgrjokt+QQvbErdPva
d8Aomb96+6NvqQepmQ/M60upFzqhRANCAATfUyx+w2oN/vacJtVDZc9QvFX4A1Iq
TjnuKv+JrYPN/sNFcHTNbW9wACiZaMhpZEQmf7hK9F3jZ0kfbIVUXc8C
-----END PRIVATE KEY-----
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is wrong, and what must be found: the check, its level, words of its cause."""

    finding: str
    level: Level
    cause: str
    breakage: Breakage = sound
    change: Callable[[Ports], Ports] = lambda ports: ports
    login: Login | None = None
    ahead: float = 0.0
    seconds: float = 10.0
    """What a request may take, and from when on an answer is slow."""
    slow: float = 3.0
    also: tuple[str, ...] = ()
    """Other services that it harms."""


def on(path: str, answer: Callable[[Request], Response], method: str = "") -> Breakage:
    """Answers so where the path begins so."""

    def broken(request: Request, usual: Answer) -> Response:
        fits = request.path.startswith(path) and method in ("", request.method)
        return answer(request) if fits else usual(request)

    return broken


def raw(content: bytes = b"", *, seconds: float = 0.0, reset: bool = False) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        raise Raw(content, seconds=seconds, reset=reset)

    return answer


def as_tenant(tenant: str, *, always: bool) -> Breakage:
    """Somebody sets the tenant's header, where it is missing or always."""

    def broken(request: Request, usual: Answer) -> Response:
        if request.headers.get(TENANT) and not always:
            return usual(request)
        return usual(replace(request, headers={**request.headers, TENANT: tenant}))

    return broken


def gateway(request: Request, usual: Answer) -> Response:
    """Lets in only a tenant that is not ours."""
    wanted = request.path.startswith("/loki/") and request.headers.get(TENANT) != "team-a"
    return text("tenant not allowed\n", 403) if wanted else usual(request)


def swallow(path: str, status: int) -> Breakage:
    return on(path, lambda _: Response(status=status), "POST")


def no_search_yet(request: Request, usual: Answer) -> Response:
    return document({"traces": [], "metrics": {}}) if request.path == "/tempo/api/search" else usual(request)


class Once:
    """503 to the first question, as one that has just been started."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, request: Request, usual: Answer) -> Response:
        if request.path == "/prometheus/api/v1/label/__name__/values" and not self._asked:
            self._asked = True
            return text("Some services are not Running\n", 503)
        return usual(request)


def slowly(request: Request, usual: Answer) -> Response:
    if request.path == "/tempo/api/echo":
        time.sleep(1.1)
    return usual(request)


def cut(request: Request, usual: Answer) -> Response:
    """Half of the JSON, with a length that fits."""
    whole = usual(request)
    if request.path != "/prometheus/api/v1/labels" or not request.headers.get(TENANT):
        return whole
    return replace(whole, body=whole.body[: len(whole.body) // 2])


def refuse_time(request: Request, usual: Answer) -> Response:
    if request.path != "/api/v1/push":
        return usual(request)
    return text("received a sample whose timestamp is too far in the future (err-mimir-too-far-in-future)\n", 400)


def reject_spans(request: Request, usual: Answer) -> Response:
    if not request.path.startswith("/otlp"):
        return usual(request)
    return document({"partialSuccess": {"rejectedSpans": 1, "errorMessage": "no"}})


LOGIN_PAGE = Response(body=b"<!DOCTYPE html><html><title>Grafana</title></html>", kind="text/html; charset=UTF-8")
LOOP = {"/loki/api/v1/labels": "/loki/login", "/loki/login": "/loki/api/v1/labels"}


def circle(request: Request, usual: Answer) -> Response:
    target = LOOP.get(request.path)
    return Response(status=302, headers={"Location": target}) if target else usual(request)


class Stale(FakeBalancer):
    """An address of a task that has gone is still registered for Loki."""

    def targets(self, arn: str) -> Sequence[Target]:
        stale = [Target(address="10.9.9.9", port=3100, status="healthy")] if "loki" in arn else []
        return [*super().targets(arn), *stale]


class Sick(FakeBalancer):
    """No target of Loki passes its check."""

    def targets(self, arn: str) -> Sequence[Target]:
        if "loki" not in arn:
            return super().targets(arn)
        said = "Health checks failed with these codes: [404]"
        return [replace(each, status="unhealthy", description=said) for each in super().targets(arn)]


class Gone(FakeBalancer):
    """Loki's target group is not there."""

    def target_group(self, name: str) -> TargetGroup:
        if "loki" in name:
            raise NotFoundError(f"There is no target group {name}.")
        return super().target_group(name)


class Moved(FakeRegistry):
    """The tag that Loki's task definition names has been moved."""

    def digest_of(self, repository: str, tag: str) -> str | None:
        return "sha256:" + "9" * 64 if "loki" in repository else super().digest_of(repository, tag)


class Other(FakeRollouts):
    """Loki's task runs another image than the one that was deployed."""

    def tasks(self, service: str):  # type: ignore[no-untyped-def]
        found = super().tasks(service)
        if "loki" not in service:
            return found
        wrong = "sha256:" + "8" * 64
        return [
            replace(task, containers=tuple(replace(each, digest=wrong) for each in task.containers)) for task in found
        ]


def balanced(kind: type[FakeBalancer]) -> Callable[[Ports], Ports]:
    def change(ports: Ports) -> Ports:
        balancer: Balancer = kind(ports.balancer._cloud)  # type: ignore[attr-defined]
        return replace(ports, balancer=balancer)

    return change


BALANCER_503 = b"HTTP/1.1 503 Service Unavailable\r\nServer: awselb/2.0\r\nContent-Length: 0\r\n\r\n"
REST = ("grafana", "mimir", "loki", "pyroscope")
CASES = {
    "wrong tenant": Case(
        finding="loki: labels", level="failed", cause="the tenant that was sent is not accepted", breakage=gateway
    ),
    "no tenant enforcement": Case(
        finding="mimir: no tenant",
        level="failed",
        cause="answers without a tenant",
        breakage=as_tenant("anonymous", always=False),
        also=("loki", "tempo", "pyroscope"),
    ),
    "tenants not kept apart": Case(
        finding="loki: other tenant",
        level="failed",
        cause="everybody reads what everybody writes",
        breakage=as_tenant("anonymous", always=True),
        also=("mimir", "tempo", "pyroscope"),
    ),
    "route missing": Case(
        finding="tempo: echo",
        level="degraded",
        cause="this Tempo does not serve the prefix /tempo",
        breakage=on("/tempo/api/echo", lambda _: NOT_FOUND),
    ),
    "login page instead of the API": Case(
        finding="loki: labels",
        level="failed",
        cause="Grafana answered, not Loki",
        breakage=on("/loki/", lambda _: LOGIN_PAGE),
    ),
    "redirect to the login page": Case(
        finding="loki: labels",
        level="failed",
        cause="no listener rule sends this path to Loki",
        breakage=lambda request, usual: usual(
            replace(request, path="/nowhere") if request.path.startswith("/loki/") else request
        ),
    ),
    "Grafana's API instead of Mimir's": Case(
        finding="mimir: write",
        level="failed",
        cause="Grafana answered, not Mimir",
        breakage=on("/api/v1/push", lambda _: document({"message": "Not found"}, 404)),
    ),
    "metrics accepted and lost": Case(
        finding="mimir: read back",
        level="failed",
        cause="what was accepted cannot be read",
        breakage=swallow("/api/v1/push", 200),
    ),
    "lines accepted and lost": Case(
        finding="loki: read back",
        level="failed",
        cause="what was accepted cannot be read",
        breakage=swallow("/loki/api/v1/push", 204),
    ),
    "profiles accepted and lost": Case(
        finding="pyroscope: read back",
        level="failed",
        cause="what was accepted cannot be read",
        breakage=swallow("/pyroscope/ingest", 200),
    ),
    "spans rejected": Case(
        finding="tempo: write", level="failed", cause="not as one who takes the record", breakage=reject_spans
    ),
    "traces never found by search": Case(
        finding="tempo: found by search",
        level="degraded",
        cause="is not found this way",
        breakage=no_search_yet,
    ),
    "wrong digest running": Case(
        finding="loki: image",
        level="failed",
        cause="another image than the one that was deployed",
        change=lambda ports: replace(ports, rollouts=Other(ports.rollouts._cloud)),  # type: ignore[attr-defined]
    ),
    "tag moved after the deployment": Case(
        finding="loki: image",
        level="degraded",
        cause="the tag was moved",
        change=lambda ports: replace(ports, registry=Moved(ports.registry._cloud)),  # type: ignore[attr-defined]
    ),
    "stale target": Case(
        finding="loki: targets", level="degraded", cause="an address that is nobody's", change=balanced(Stale)
    ),
    "no healthy target": Case(
        finding="loki: targets", level="failed", cause="no target passes the health check", change=balanced(Sick)
    ),
    "no target group": Case(
        finding="loki: targets", level="failed", cause="There is no target group", change=balanced(Gone)
    ),
    "slow answer": Case(
        finding="tempo: echo", level="degraded", cause="takes longer than", breakage=slowly, slow=1.0, also=REST
    ),
    "no answer": Case(
        finding="tempo: echo",
        level="failed",
        cause="no complete answer in time",
        breakage=on("/tempo/api/echo", raw(seconds=9.0)),
        seconds=8.0,
    ),
    "truncated JSON": Case(finding="mimir: labels", level="failed", cause="breaks off in the middle", breakage=cut),
    "truncated answer": Case(
        finding="tempo: search",
        level="failed",
        cause="broke off in the middle",
        breakage=on("/tempo/api/search", raw(b'HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"traces":[')),
    ),
    "broken compression": Case(
        finding="tempo: search",
        level="failed",
        cause="breaks off in the middle",
        breakage=on(
            "/tempo/api/search",
            lambda _: Response(body=gzip.compress(b"{}" * 99)[:20], headers={"Content-Encoding": "gzip"}),
        ),
    ),
    "connection closed": Case(
        finding="pyroscope: ready",
        level="failed",
        cause="closed without an answer",
        breakage=on("/pyroscope/ready", raw()),
    ),
    "connection reset": Case(
        finding="pyroscope: ready",
        level="failed",
        cause="closed without an answer",
        breakage=on("/pyroscope/ready", raw(reset=True)),
    ),
    "gRPC instead of HTTP": Case(
        finding="loki: labels",
        level="failed",
        cause="no HTTP",
        breakage=on(
            "/loki/api/v1/labels", raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\r\n\r\n")
        ),
    ),
    "redirect loop": Case(finding="loki: labels", level="failed", cause="sent in circles", breakage=circle),
    "429": Case(
        finding="loki: write",
        level="degraded",
        cause="a limit of this tenant",
        breakage=on("/loki/api/v1/push", lambda _: text("ingestion rate limit exceeded\n", 429)),
    ),
    "503, then ok": Case(
        finding="mimir: metric names", level="degraded", cause="it did not answer at first", breakage=Once()
    ),
    "503": Case(
        finding="tempo: echo",
        level="failed",
        cause="is not ready",
        breakage=on("/tempo/api/echo", lambda _: text("Ingester not ready\n", 503)),
    ),
    "no registered target": Case(
        finding="tempo: echo",
        level="failed",
        cause="the target group has no registered target",
        breakage=on("/tempo/api/echo", raw(BALANCER_503)),
    ),
    "500": Case(
        finding="mimir: metric names",
        level="failed",
        cause="Mimir fails on the request",
        breakage=on("/prometheus/api/v1/label/", lambda _: text("boom\n", 500)),
    ),
    "clock skew": Case(
        finding="stack: clock", level="degraded", cause="the time of this machine is refused", ahead=3600.0
    ),
    "clock skew, noticed by Mimir": Case(
        finding="mimir: write",
        level="failed",
        cause="Mimir refuses the time of the record",
        breakage=refuse_time,
    ),
    "Grafana without its database": Case(
        finding="grafana: health",
        level="failed",
        cause="cannot use its database",
        breakage=on("/api/health", lambda _: document({"database": "failing", "version": "12.1.0"}, 503)),
    ),
    "Grafana's login is wrong": Case(
        finding="grafana: data sources",
        level="failed",
        cause="the login is not accepted",
        login=Login(headers={"Authorization": "Basic d3Jvbmc6d3Jvbmc="}),
    ),
    "a data source that Grafana does not reach": Case(
        finding="grafana: data source tempo",
        level="degraded",
        cause="Grafana does not reach it",
        breakage=on(
            "/api/datasources",
            lambda request: (
                document({"status": "ERROR", "message": "404 Not Found"}, 400)
                if request.path.endswith("/health")
                else document([{"uid": "tempo"}])
            ),
        ),
    ),
    "an annotation that stays": Case(
        finding="grafana: annotation removed",
        level="degraded",
        cause="the record that was written stays",
        breakage=on("/api/annotations/", lambda _: document({"message": "Forbidden"}, 403), "DELETE"),
    ),
    # Recorded: pyroscope-1.13.5-path-prefix.json.
    "false green": Case(
        finding="pyroscope: write",
        level="failed",
        cause="Pyroscope's parts do not find each other under this prefix",
        breakage=on(
            "/pyroscope/ingest", lambda _: document({"code": "unimplemented", "message": "404 Not Found"}, 501)
        ),
    ),
    # Recorded: tempo-2.3.1-path-prefix.json.
    "Tempo whose reads fail under its prefix": Case(
        finding="tempo: search",
        level="failed",
        cause="Tempo's parts do not find each other under this prefix",
        breakage=on("/tempo/api/search", lambda _: text("upstream: (404) 404 page not found\n", 500)),
    ),
    # Recorded: tempo-2.9.0-path-prefix.json.
    "a whole API that is missing": Case(
        finding="tempo: echo",
        level="failed",
        cause="its whole API answers 404",
        breakage=on("/tempo/", lambda _: NOT_FOUND),
    ),
    "an old path that is still there": Case(
        finding="pyroscope: old paths",
        level="degraded",
        cause="the change is not out",
        breakage=on("/pyroscope/render", lambda _: document({"version": 1})),
    ),
    "a kept path that is lost": Case(
        finding="pyroscope: kept paths",
        level="degraded",
        cause="the route does not exist",
        breakage=on("/pyroscope/ingest", lambda _: NOT_FOUND),
    ),
}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GF_PATHS_PROVISIONING", "/nowhere")


def level_of(findings: list[Finding], service: str) -> Level:
    return worst(each.level for each in by_service(findings)[service])


def test_a_sound_stack_is_ok(tmp_path: Path) -> None:
    with on_loopback(Loopback(programs=started())) as stack:
        findings = found_in(example(stack.url), tmp_path)

    assert [each.why for each in findings if each.level != "ok"] == []
    assert {each.service for each in findings} == {"grafana", "mimir", "loki", "tempo", "pyroscope"}
    written = [each.id for each in findings if each.check in ("read back", "read by id", "annotation read")]
    assert len(written) == 5


def test_a_single_slow_answer_is_no_alarm(tmp_path: Path) -> None:
    slow = [SLOW_SECONDS + 0.3]

    def once(request: Request, usual: Answer) -> Response:
        if request.path == "/tempo/api/echo":
            with suppress(IndexError):
                time.sleep(slow.pop())
        return usual(request)

    with on_loopback(Loopback(programs=started(), breakage=once)) as stack:
        findings = found_in(example(stack.url), tmp_path)

    [echo] = [each for each in findings if each.id == "tempo: echo"]
    assert echo.level == "ok"
    assert slow == []


@pytest.mark.parametrize("name", CASES)
def test_a_broken_stack_is_caught_with_its_verdict_and_cause(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    monkeypatch.setattr("lgtm_deploy.core.verify.check.SLOW_SECONDS", case.slow)
    with on_loopback(Loopback(programs=started(), breakage=case.breakage, ahead=case.ahead)) as stack:
        login = {"login": case.login} if case.login else {}
        findings = found_in(example(stack.url), tmp_path, change=case.change, seconds=case.seconds, **login)

    [found] = [each for each in findings if each.id == case.finding]
    assert found.level == case.level, found
    assert case.cause in f"{found.got} {found.means}", found
    advised = "parts do not find each other" in found.means
    assert found.todo or found.check == "image" or not found.means or advised
    harmed = {found.service, *case.also, "stack"}
    assert [each.why for each in findings if each.service not in harmed and each.level != "ok"] == []


def everything_fails(url: str, folder: Path) -> set[str]:
    findings = found_in(example(url), folder)
    asked = [each for each in findings if each.asked.startswith(("GET ", "POST "))]
    assert {each.level for each in asked} == {"failed"}
    assert len({each.service for each in asked}) == 5
    return {each.means.partition(": ")[2] for each in asked}


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    assert everything_fails("http://no-such-stack.invalid", tmp_path) == {"the load balancer's name does not resolve"}


def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with on_loopback(Loopback(programs={})) as stack:
        url = stack.url

    assert everything_fails(url, tmp_path) == {"nothing listens there"}


def test_a_certificate_that_nobody_has_signed(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_text(KEY + CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with on_loopback(Loopback(programs=started()), context) as stack:
        assert everything_fails(stack.url, tmp_path) == {"the certificate or the handshake is not accepted"}


def test_no_tls_where_the_stack_file_says_https(tmp_path: Path) -> None:
    with on_loopback(Loopback(programs=started())) as stack:
        url = stack.url.replace("http:", "https:")
        assert everything_fails(url, tmp_path) == {"the certificate or the handshake is not accepted"}
