"""What is asked of Grafana."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, urljoin, urlsplit

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.finding import Finding, Judgement
from lgtm_deploy.core.verify.troubles import counted, parsed, said, wrong_with

NAME = "grafana"
HEALTH = "/api/health"
SOURCES = "/api/datasources"
SOURCE_LIST = "data sources"
SOURCE = "data source "
NOT_ASKED = "not asked"
_NO_LOGIN = "Set LGTM_DEPLOY_GRAFANA_TOKEN, or LGTM_DEPLOY_GRAFANA_USER and LGTM_DEPLOY_GRAFANA_PASSWORD."


def checks(place: Place) -> list[Check]:
    """What anybody may ask.

    Grafana: "Configure Grafana", `serve_from_sub_path`: all of it is below the path of `root_url`, here the prefix.
    """
    health, login = place.get(place.prefix + HEALTH), place.get(f"{place.prefix}/login")
    return [
        place.check("health", health, judge_health),
        place.check("login page", login, judge_login),
    ]


def judge_health(reply: HttpResponse) -> Judgement:
    """Grafana: "Other HTTP API", health: `{"commit": …, "database": "ok", "version": …}`; 503 when it has no database.

    The answer is judged before its code: 503 tells what is wrong in its body.
    """
    content = parsed(reply)
    health: dict[str, Any] = content if isinstance(content, dict) else {}
    if provider := _provider(reply):
        return Judgement.not_configured(
            said(reply),
            f"single sign-on at {provider} stands before Grafana: its health is not known",
            "Set `headers` of the service to what passes the gateway, with a value from an environment variable.",
        )
    if "database" not in health:
        wrong = wrong_with(reply, NAME)
        return wrong or Judgement.failed(said(reply), "it is not Grafana's health", "Check what answers there.")
    version = f", version {health['version']}" if "version" in health else ""
    if health["database"] == "ok" and reply.status == 200:  # noqa: PLR2004 - HTTP OK
        return Judgement.ok(f"database ok{version}")
    return Judgement.failed(
        f"{reply.status}, database {health['database']}{version}",
        "Grafana runs and cannot use its database",
        "Look at its database: reachable, not full, not locked.",
    )


def judge_login(reply: HttpResponse) -> Judgement:
    """The page on which people begin.

    Grafana: "Configure authentication", "Automatic OAuth login": where `auto_login` is set, /login leads to the
    identity provider, for OAuth and for SAML.
    """
    if provider := _provider(reply):
        return Judgement.ok(f"single sign-on at {provider}")
    wrong = wrong_with(reply, NAME, ours=True)
    if wrong:
        return wrong
    if "grafana" not in reply.body.lower():
        return Judgement.failed(said(reply), "it is not Grafana's page", "Check the load balancer's default rule.")
    return Judgement.ok("the login page")


def _provider(reply: HttpResponse) -> str:
    """Return the host of the identity provider that the login page leads to; empty: it does not lead to one.

    The URL has a client's ID (RFC 6749, 4.1.1) or a SAML request (SAML 2.0 bindings, 3.4.4.1).
    """
    moved = HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST
    target = urljoin(reply.url, reply.headers.get("location", "")) if moved else reply.url
    parts = urlsplit(target)
    return parts.netloc if parse_qs(parts.query).keys() & {"client_id", "SAMLRequest"} else ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data source of Grafana, and the host that it asks; empty: it asks none."""

    uid: str
    host: str = ""


def source_list(place: Place, login: dict[str, str]) -> Check:
    """Asks which data sources there are."""
    question = place.get(place.prefix + SOURCES, login)

    def judge(reply: HttpResponse) -> Judgement:
        wrong = wrong_with(reply, NAME)
        if reply.status in (401, 403):
            return Judgement.failed(
                said(reply),
                "the login is not accepted",
                "Check LGTM_DEPLOY_GRAFANA_TOKEN, or user and password; a token needs the role Editor.",
            )
        content = None if wrong else parsed(reply)
        if isinstance(content, list):
            return Judgement.ok(counted(content, "data sources"))
        return wrong or Judgement.failed(said(reply), "it is no list", "Check its version.")

    return place.check(SOURCE_LIST, question, judge)


def sources_in(listed: HttpResponse) -> list[Source]:
    """Return the data sources that are listed."""
    content = parsed(listed)
    known = content if isinstance(content, list) else []
    entries = [each for each in known if isinstance(each, dict) and isinstance(each.get("uid"), str)]
    return [Source(uid=each["uid"], host=_host_of(str(each.get("url") or ""))) for each in entries]


def _host_of(url: str) -> str:
    try:
        return urlsplit(url if "//" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""


def source_check(place: Place, login: dict[str, str], source: Source) -> Check:
    """Asks Grafana to ask that data source."""
    path = f"{place.prefix}{SOURCES}/uid/{quote(source.uid, safe='')}/health"
    return place.check(f"{SOURCE}{source.uid}", place.get(path, login), _judge_source)


def _judge_source(reply: HttpResponse) -> Judgement:
    """Grafana: "Data source HTTP API", health by uid: 200 `{"status": "OK"}`, 400 `{"status": "ERROR", …}`."""
    content = parsed(reply)
    health: dict[str, Any] = content if isinstance(content, dict) else {}
    if reply.status == 404:  # noqa: PLR2004 - Not Found
        return Judgement.not_configured(said(reply), "this kind of data source cannot be checked by Grafana")
    if reply.status == 200 and str(health.get("status", "")).upper() == "OK":  # noqa: PLR2004 - HTTP OK
        return Judgement.ok(str(health.get("message") or "OK"))
    wrong = wrong_with(reply, NAME)
    return Judgement.degraded(
        str(health.get("message") or said(reply)),
        "Grafana does not reach it, or gets no good answer from it" if health else (wrong.means if wrong else ""),
        "Check its URL (with its prefix, if it has one) and its tenant header in Grafana.",
    )


def unasked(place: Place, check: str, *, why: str = "it takes a login", todo: str = _NO_LOGIN) -> Finding:
    """That something was not asked, for want of a login or as `why` says."""
    return Finding(service=place.service, check=check, level="not-configured", got=NOT_ASKED, means=why, todo=todo)
