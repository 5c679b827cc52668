"""Findings about a service under a prefix, with the cause where it is known."""

from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit

from lgtm_deploy.core import contract
from lgtm_deploy.core.handover.causes import cause_under_prefix, lacks_prefix
from lgtm_deploy.core.ports.web import HttpFailure, HttpRequest, HttpResult
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.core.verify.reads import PROGRAMS, kind_of
from lgtm_deploy.core.verify.troubles import prefix_todo


def explained(service: Service, finding: Finding, question: HttpRequest, heard: HttpResult) -> Finding:
    """Return the finding with the known cause of a failure under the service's prefix in place of a general one.

    A 404 gets no other cause: before a change it only says that the prefix is not served yet. Its advice depends on the
    program and its version.
    """
    if finding.todo == prefix_todo(service.name):
        return replace(finding, todo=_advice(service))
    if finding.level != "failed" or finding.status == HTTPStatus.NOT_FOUND:
        return finding
    cause = cause_under_prefix(service, [_as_reply(question, heard)])
    return replace(finding, means=cause, todo="") if cause else finding


def _advice(service: Service) -> str:
    if lacks_prefix(service):
        return f"Use Pyroscope 2.0.4: version {service.version} does not work under a prefix."
    return prefix_todo(service.name, PROGRAMS[kind_of(service)].prefix_setting)


def _as_reply(question: HttpRequest, heard: HttpResult) -> contract.Reply:
    path = urlsplit(question.url).path
    if isinstance(heard, HttpFailure):
        waited = question.seconds if heard.trouble == "timeout" else 0.0
        return contract.Reply(path=path, method=question.method, waited=waited)
    return contract.Reply(path=path, status=heard.status, body=heard.body, method=question.method)
