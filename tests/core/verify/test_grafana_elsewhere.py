"""Grafana below a sub-path, and behind single sign-on.

Grafana docs, "Configure Grafana", `root_url` and `serve_from_sub_path`; "Configure authentication", "Automatic OAuth
login" (also for SAML). RFC 6749, 4.1.1, and SAML 2.0 bindings, 3.4.4.1: what the URL of a provider holds.
"""

import pytest

from lgtm_deploy.adapters.http import HttpWeb
from lgtm_deploy.core.ports import HttpResponse
from lgtm_deploy.core.verify import grafana, writes
from lgtm_deploy.core.verify.check import Check, Place, judged
from lgtm_deploy.core.verify.reads import read_checks
from lgtm_deploy.core.verify.routes import kept_check
from tests.adapters.test_web import redirect, serving
from tests.stacks import make_service

OAUTH = "https://idp.example/authorize?client_id=grafana&response_type=code&state=x"
SAML = "https://idp.example/sso?SAMLRequest=fVLB&RelayState=x"
PAGE = "<!DOCTYPE html>\n<html><head><title>Grafana</title></head></html>"


def checks_of(name: str, prefix: str = "", url: str = "http://lb") -> dict[str, Check]:
    service = make_service(name=name, prefix=prefix)
    return {each.name: each for each in read_checks(service, Place.of(service, url, ""), 1.7e9)}


@pytest.mark.parametrize("url", ["http://lb/grafana", "http://lb"])
def test_everything_of_grafana_is_asked_below_its_sub_path(url: str) -> None:
    prefix = "" if url.endswith("/grafana") else "/grafana"
    service = make_service(name="grafana", prefix=prefix)
    place = Place.of(service, url, "")
    listed = HttpResponse(status=200, body='[{"uid":"loki"}]')
    trip = writes.grafana(place, {}, "run", 0)
    questions = [
        *(each.question for each in read_checks(service, place, 0)),
        grafana.source_list(place, {}).question,
        *(grafana.source_check(place, {}, one).question for one in grafana.sources_in(listed)),
        trip.write,
        trip.readings[0].question,
    ]
    assert trip.removal is not None
    questions.append(trip.removal(HttpResponse(status=200, body='{"id":7}')))

    assert [each.url.removeprefix("http://lb/grafana").partition("?")[0] for each in questions] == [
        "/api/health",
        "/login",
        "/api/datasources",
        "/api/datasources/uid/loki/health",
        "/api/annotations",
        "/api/annotations",
        "/api/annotations/7",
    ]


@pytest.mark.parametrize("provider", [OAUTH, SAML])
@pytest.mark.parametrize("prefix", ["", "/grafana"])
def test_a_login_page_that_leads_to_an_identity_provider_is_ok(provider: str, prefix: str) -> None:
    chain = redirect(f"{prefix}/login/generic_oauth"), redirect(provider)
    with serving(*chain) as (url, asked):
        check = checks_of("grafana", prefix, url)["login page"]
        found = judged(check, HttpWeb().ask(check.question))

    assert (found.level, found.got) == ("ok", "single sign-on at idp.example")
    assert asked[0].startswith(f"GET {prefix}/login HTTP".encode())
    assert len(asked) == 2


def test_a_provider_on_the_same_host_is_one_too() -> None:
    check = checks_of("grafana")["login page"]
    page = HttpResponse(
        status=200, body="<html><title>Sign in</title></html>", url="http://lb/realms/x?client_id=grafana"
    )

    assert judged(check, page).level == "ok"


def test_a_login_page_that_leads_anywhere_else_is_failed() -> None:
    check = checks_of("grafana")["login page"]

    assert judged(
        check, HttpResponse(status=302, headers={"location": "https://other.example/"}, url="http://lb/login")
    ).level == ("failed")


def test_single_sign_on_before_grafana_says_nothing_of_its_health() -> None:
    check = checks_of("grafana")["health"]
    found = judged(check, HttpResponse(status=302, headers={"location": OAUTH}, url="http://lb/api/health"))

    assert found.level == "not-configured"
    assert "single sign-on at idp.example stands before Grafana" in found.means


@pytest.mark.parametrize("path", ["/login", "/login/generic_oauth", "/grafana/login", "/login/saml"])
def test_another_services_path_that_ends_at_grafanas_login_was_taken_by_the_default_rule(path: str) -> None:
    check = checks_of("loki")["labels"]
    for heard in (
        HttpResponse(status=302, headers={"location": OAUTH}, url=f"http://lb{path}", redirected=True),
        HttpResponse(status=200, body=PAGE, url=f"http://lb{path}"),
        HttpResponse(status=200, body="sign in", url=f"http://lb{path}", redirected=True),
    ):
        found = judged(check, heard)
        assert found.level == "failed"
        assert "no listener rule sends this path to Loki" in found.means


def test_a_services_own_login_path_is_its_own_answer() -> None:
    check = kept_check(Place(service="shop", url="http://lb"), "/api/login")

    assert judged(check, HttpResponse(status=200, body='{"ok":true}', url="http://lb/api/login")).level == "ok"
    assert judged(check, HttpResponse(status=200, body=PAGE, url="http://lb/api/login")).level == "failed"
