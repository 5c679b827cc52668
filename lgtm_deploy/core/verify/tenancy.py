"""Negative checks: who names no tenant is refused, and who names another one does not see what is not his."""

from http import HTTPStatus

from lgtm_deploy.core.ports.web import HttpResponse
from lgtm_deploy.core.verify.check import Check, as_nobody
from lgtm_deploy.core.verify.finding import Finding, Judgement
from lgtm_deploy.core.verify.troubles import said, titled, wrong_with

NAME = "no tenant"
OTHER = "other tenant"
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def without_tenant(check: Check, prefix: str = "") -> Check:
    """The same request without a tenant, which must be refused."""

    def judge(reply: HttpResponse) -> Judgement:
        if reply.status in _REFUSED:
            return Judgement.ok(f"refused with {reply.status}")
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES and not wrong_with(reply, check.service):
            return Judgement.failed(
                said(reply),
                f"{titled(check.service)} answers without a tenant: whoever reaches it may read and write all",
                "Switch multi-tenancy on in its configuration (`multitenancy_enabled`, Loki: `auth_enabled`), "
                "or write `tenant: none` for this service.",
            )
        wrong = wrong_with(reply, check.service, prefix=prefix)
        return wrong or Judgement.failed(said(reply))

    return Check(service=check.service, name=NAME, question=as_nobody(check.question), judge=judge, timed=False)


def without_tenants(service: str, check: str) -> Finding:
    """Return that a tenant check was not asked, because no tenant is configured for the service."""
    return Finding(
        service=service,
        check=check,
        level="not-configured",
        got="not asked",
        means="no tenant is configured for it",
        todo="Set `tenant` of the environment or of the service, if it keeps tenants apart.",
    )
