"""What an answer means."""

import json

import pytest

from lgtm_deploy.core.ports import HttpFailure, HttpRequest, HttpResponse
from lgtm_deploy.core.stack import Health, Paths, Probe
from lgtm_deploy.core.verify.check import TENANT_HEADER, Check, Place, judged, recovered
from lgtm_deploy.core.verify.finding import Finding, Level
from lgtm_deploy.core.verify.reads import kind_of, read_checks
from tests.stacks import make_service

LOGIN = "<!DOCTYPE html>\n<html><head><title>Grafana</title></head></html>"
NO_ROUTE = "404 page not found\n"
PREFIXES = {"tempo": "/tempo", "pyroscope": "/pyroscope"}


def checks_of(name: str, tenant: str = "demo") -> dict[str, Check]:
    service = make_service(name=name, prefix=PREFIXES.get(name, ""))
    place = Place.of(service, "http://lb/", tenant)
    return {each.name: each for each in read_checks(service, place, 1_700_000_000.0)}


def judge(name: str, check: str, status: int, body: str = "", **more: object) -> Finding:
    found = checks_of(name)[check]
    return judged(found, HttpResponse(status=status, body=body, url=found.question.url, seconds=0.01, **more))  # type: ignore[arg-type]


# What the programs answer when all is well: Grafana "Other HTTP API"; Prometheus "HTTP API"; Loki "HTTP API"; Tempo
# "HTTP API"; Pyroscope "Server HTTP API". Empty lists are left out by Loki (labels) and by protobuf's JSON.
GOOD = [
    ("grafana", "health", '{"commit":"087143285","database":"ok","version":"12.1.0"}'),
    ("grafana", "login page", LOGIN),
    ("mimir", "labels", '{"status":"success","data":["__name__","instance","job"]}'),
    ("mimir", "metric names", '{"status":"success","data":["up"]}'),
    ("loki", "labels", '{"status":"success","data":["foo"]}'),
    ("loki", "labels", '{"status":"success"}'),
    ("tempo", "echo", "echo"),
    ("tempo", "search", '{"traces":[{"traceID":"2f3e0cee77ae5dc9c17ade3689eb2e54"}],"metrics":{"totalBlocks":1}}'),
    ("tempo", "search", '{"metrics":{}}'),
    ("pyroscope", "ready", "ready\n"),
    ("pyroscope", "label names", '{"names":["__period_type__","service_name"]}'),
    ("pyroscope", "label names", "{}"),
]


@pytest.mark.parametrize(("name", "check", "body"), GOOD)
def test_what_the_programs_answer_when_all_is_well_is_ok(name: str, check: str, body: str) -> None:
    assert judge(name, check, 200, body).level == "ok"


@pytest.mark.parametrize(("name", "check"), [(name, check) for name, check, _ in GOOD if check != "login page"])
def test_a_login_page_is_nobodys_answer(name: str, check: str) -> None:
    found = judge(name, check, 200, LOGIN)

    assert found.level == "failed"
    assert "Grafana answered" in found.means or name == "grafana"


@pytest.mark.parametrize(("name", "check"), sorted({(name, check) for name, check, _ in GOOD}))
@pytest.mark.parametrize(
    ("status", "body", "level"),
    [
        (200, '{"status":"success","data":["a', "failed"),
        (200, "", "failed"),
        (200, "[]", "failed"),
        (200, '{"status":"error","errorType":"internal","error":"oops"}', "failed"),
        (401, "no org id\n", "failed"),
        (403, "forbidden", "failed"),
        (404, NO_ROUTE, "degraded"),
        (429, "ingestion rate limit reached", "degraded"),
        (500, "internal error", "failed"),
        (502, "", "failed"),
        (503, "Ingester not ready: waiting for 15s after being ready\n", "failed"),
    ],
)
def test_what_is_wrong_is_never_taken_for_right(name: str, check: str, status: int, body: str, level: Level) -> None:
    found = judge(name, check, status, body)

    assert found.level in (level, "failed")
    assert found.got
    assert found.means
    assert found.todo


@pytest.mark.parametrize(
    ("status", "body", "headers", "cause"),
    [
        (404, NO_ROUTE, {}, "the load balancer forwards /tempo/* as it is, and this Tempo does not serve the prefix"),
        (401, "Unauthorized", {"www-authenticate": "Basic"}, "a gateway before Tempo asks for a login"),
        (404, '{"message":"Not found"}', {}, "Grafana answered, not Tempo: no listener rule sends this path to Tempo"),
        (401, "no org id\n", {}, "the tenant's header did not reach Tempo"),
        (401, "Unauthorized", {}, "the tenant that was sent is not accepted"),
        (429, "too many", {}, "a limit of this tenant"),
        (301, "", {"location": "https://elsewhere/"}, "it sends whoever asks elsewhere"),
        (503, "", {"server": "awselb/2.0"}, "the target group has no registered target"),
        (504, "", {"server": "awselb/2.0"}, "the task did not answer in time"),
        (503, "Ingester not ready", {}, "Tempo says that it is not ready"),
        (500, "boom", {}, "Tempo fails on the request"),
        (418, "teapot", {}, "Tempo refuses the request"),
        (200, "ECHO?", {}, "it is not Tempo's echo"),
    ],
)
def test_the_cause_is_named(status: int, body: str, headers: dict[str, str], cause: str) -> None:
    assert cause in judge("tempo", "echo", status, body, headers=headers).means


def test_json_that_breaks_off_is_told_from_what_is_no_json() -> None:
    assert "breaks off" in judge("mimir", "labels", 200, '{"status":"success","da').means
    assert "not JSON" in judge("mimir", "labels", 200, "hello").means


def test_a_list_too_long_to_be_read_is_no_truncated_one() -> None:
    found = judge("mimir", "metric names", 200, '{"status":"success","data":["a', whole=False)

    assert (found.level, found.got) == ("ok", "more metrics than were read")


def test_a_redirect_to_the_login_page_is_grafanas_default_rule() -> None:
    check = checks_of("loki")["labels"]

    found = judged(check, HttpResponse(status=200, body=LOGIN, url="http://lb/login"))

    assert found.level == "failed"
    assert "no listener rule sends this path to Loki" in found.means


def test_a_grafana_without_its_database_tells_so_in_a_503() -> None:
    found = judge("grafana", "health", 503, '{"commit":"x","database":"failing","version":"12.1.0"}')

    assert (found.level, found.means) == ("failed", "Grafana runs and cannot use its database")


@pytest.mark.parametrize(
    ("trouble", "detail", "cause"),
    [
        ("dns", "Name or service not known", "name does not resolve"),
        ("refused", "Connection refused", "nothing listens there"),
        ("unreachable", "", "a security group, a route or a firewall"),
        ("tls", "certificate has expired", "certificate or the handshake"),
        ("timeout", "", "no complete answer in time"),
        ("redirect-loop", "/a leads to /a again", "sent in circles"),
        ("truncated", "", "broke off in the middle"),
        ("closed", "", "closed without an answer"),
        ("not-http", "illegal status line", "no HTTP"),
        ("bad-url", "", "it is no URL"),
    ],
)
def test_silence_is_a_failure_with_its_cause(trouble: str, detail: str, cause: str) -> None:
    found = judged(checks_of("mimir")["labels"], HttpFailure(trouble=trouble, detail=detail))  # type: ignore[arg-type]

    assert found.level == "failed"
    assert cause in found.means
    assert found.todo


@pytest.mark.parametrize("name", ["mimir", "loki", "tempo", "pyroscope"])
def test_who_names_no_tenant_must_be_refused(name: str) -> None:
    check = checks_of(name)["no tenant"]
    good = next(body for service, known, body in GOOD if service == name and known not in ("echo", "ready"))

    assert TENANT_HEADER not in check.question.headers
    assert judge(name, "no tenant", 401, "no org id\n").level == "ok"
    open_to_all = judge(name, "no tenant", 200, good)
    assert open_to_all.level == "failed"
    assert "answers without a tenant" in open_to_all.means
    assert judge(name, "no tenant", 200, LOGIN).level == "failed"
    assert judge(name, "no tenant", 503, "no").level == "failed"


def test_a_stack_without_a_tenant_is_not_asked_for_one() -> None:
    assert "no tenant" not in checks_of("mimir", tenant="")
    assert checks_of("mimir", tenant="")["labels"].question.headers == {}


def test_every_request_bears_the_tenant() -> None:
    asked = [each for name in ("grafana", "mimir", "loki", "tempo", "pyroscope") for each in checks_of(name).values()]

    assert all(each.question.headers[TENANT_HEADER] == "demo" for each in asked if each.name != "no tenant")


def test_a_slow_answer_is_degraded() -> None:
    check = checks_of("tempo")["echo"]

    found = judged(check, HttpResponse(status=200, body="echo", url=check.question.url, seconds=4.2))

    assert (found.level, found.got) == ("degraded", "echo, after 4.2 s")


def test_an_answer_that_comes_at_the_second_try_only_is_degraded_with_what_came_first() -> None:
    first, then = judge("tempo", "echo", 503, "not ready"), judge("tempo", "echo", 200, "echo")

    found = recovered(then, first)

    assert found.level == "degraded"
    assert found.got == "503 'not ready'; then echo"
    assert recovered(then, then) == then
    assert recovered(first, first) == first


def test_a_service_of_another_kind_is_asked_its_own_probes() -> None:
    service = make_service(name="alloy", health=Health(path="/"), probes=(Probe(path="/-/ready", body="ready"),))
    [check] = read_checks(service, Place.of(service, "http://lb", ""), 0.0)

    assert kind_of(service) == "other"
    assert judged(check, HttpResponse(status=200, body="ready", url="http://lb/-/ready")).level == "ok"
    assert judged(check, HttpResponse(status=200, body="sorry", url="http://lb/-/ready")).level == "failed"


def test_the_stack_file_says_which_program_a_service_is() -> None:
    assert kind_of(make_service(name="traces", kind="tempo")) == "tempo"
    assert kind_of(make_service(name="loki", paths=Paths())) == "loki"


def test_pyroscope_is_asked_for_the_last_hour_in_milliseconds() -> None:
    body = json.loads(checks_of("pyroscope")["label names"].question.body)

    assert body == {"start": 1_700_000_060_000 - 3_600_000, "end": 1_700_000_060_000}


def test_a_question_is_shown_without_its_host() -> None:
    assert judge("tempo", "search", 200, '{"traces":[]}').asked == "GET /tempo/api/search"
    assert isinstance(checks_of("tempo")["search"].question, HttpRequest)
