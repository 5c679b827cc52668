"""Negative checks: who names no tenant is refused, and who names another one does not see what is not his."""

from http import HTTPStatus

from lgtm_deploy.core.ports.web import Reply
from lgtm_deploy.core.verify.check import Check, as_nobody
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.troubles import said, titled, wrong_with

NAME = "no tenant"
_REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def without_tenant(check: Check, prefix: str = "") -> Check:
    """The same request without a tenant, which must be refused."""

    def judge(reply: Reply) -> Judgement:
        if reply.status in _REFUSED:
            return Judgement(level="ok", got=f"refused with {reply.status}")
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES and not wrong_with(reply, check.service):
            return Judgement(
                level="failed",
                got=said(reply),
                means=f"{titled(check.service)} answers without a tenant: whoever reaches it may read and write all",
                todo="Switch multi-tenancy on in its configuration (`multitenancy_enabled`, Loki: `auth_enabled`), "
                "or leave `tenant` out of the environment.",
            )
        wrong = wrong_with(reply, check.service, prefix=prefix)
        return wrong or Judgement(level="failed", got=said(reply))

    return Check(service=check.service, name=NAME, question=as_nobody(check.question), judge=judge, timed=False)
