"""Findings about a service under a prefix, with the cause where it is known."""

from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit

from lgtm_deploy.core import contract
from lgtm_deploy.core.handover.causes import cause_under_prefix
from lgtm_deploy.core.ports.web import NoReply, Question
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.check import Heard
from lgtm_deploy.core.verify.finding import Finding


def explained(service: Service, finding: Finding, question: Question, heard: Heard) -> Finding:
    """Return the finding with the known cause of a failure under the service's prefix in place of a general one.

    A 404 is left as it is: before a change it only says that the prefix is not served yet.
    """
    if finding.level != "failed" or finding.status == HTTPStatus.NOT_FOUND:
        return finding
    cause = cause_under_prefix(service, [_as_reply(question, heard)])
    return replace(finding, means=cause, todo="") if cause else finding


def _as_reply(question: Question, heard: Heard) -> contract.Reply:
    path = urlsplit(question.url).path
    if isinstance(heard, NoReply):
        waited = question.seconds if heard.trouble == "timeout" else 0.0
        return contract.Reply(path=path, method=question.method, waited=waited)
    return contract.Reply(path=path, status=heard.status, body=heard.body, method=question.method)
