"""One round of read-only checks of services, everything at the same time."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address

from lgtm_deploy.core.errors import AccessError, NotFoundError, UsageError
from lgtm_deploy.core.ports import (
    HttpResponse,
    ListenerRule,
    Login,
    VerificationPorts,
)
from lgtm_deploy.core.ports.web import url_fault
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.task_group import side_by_side
from lgtm_deploy.core.verify import grafana, tenancy
from lgtm_deploy.core.verify.check import Check, Place, summed_up
from lgtm_deploy.core.verify.clock import skew_finding
from lgtm_deploy.core.verify.explained import explained
from lgtm_deploy.core.verify.finding import Finding, Level, by_service, whole_api
from lgtm_deploy.core.verify.reads import kind_of, read_checks, unasked_tenancy
from lgtm_deploy.core.verify.routes import Group, arrives_at, route_groups
from lgtm_deploy.core.verify.running import Running, running_findings
from lgtm_deploy.steps.target_groups import group_of
from lgtm_deploy.steps.verification.asking import Asker

# What `traces` of an environment says where Tempo's own tasks are to be asked.
DIRECT = "direct"

Work = Callable[[], list[Finding]]


class Verification:
    """Checks services of a settled stack, all at the same time. No request may take more than `seconds`."""

    def __init__(
        self,
        stack: Stack,
        ports: VerificationPorts,
        *,
        login: Login | None = None,
        pause: Callable[[float], None] = time.sleep,
        aws: bool = True,
        seconds: float = 10.0,
    ) -> None:
        self.stack = stack
        self.ports = ports
        self.login = login or Login()
        self.asker = Asker(ports.web, ports.clock, pause)
        self._aws = aws
        self._seconds = seconds
        self._url = ""

    @property
    def url(self) -> str:
        """The stack's URL: as the stack file says, else the load balancer's own. Raises NotFoundError, and UsageError
        when it is no URL."""
        if not self._url:
            environment = self.stack.environment
            found = environment.url or self.ports.balancer.address(environment.load_balancer)
            for name, url in (("url", found), ("traces", environment.traces)):
                if fault := url_fault(url) if url not in ("", DIRECT) else "":
                    raise UsageError(f"`{name}` of environment '{environment.name}' cannot be asked: {url}: {fault}.")
            self._url = found.rstrip("/")
        return self._url

    def place(self, service: Service, longest: float = math.inf) -> Place:
        """Where a service is asked; no request there takes more than `longest` seconds."""
        return Place.of(service, self.url, self.stack.tenant_of(service), min(self._seconds, longest))

    def read(self, services: Sequence[Service]) -> list[Finding]:
        """All findings that need nothing to be written, by service in the order given.

        Raises NotFoundError (no load balancer) and TransientError (AWS does not answer).
        """
        works = [work for service in services for work in self._works(service)]
        done = [finding for found in side_by_side(lambda work: work(), works) for finding in found]
        findings = [finding for found in by_service(done).values() for finding in whole_api(found)]
        ahead = skew_finding(self.asker.skews)
        return [*findings, *([ahead] if ahead else [])]

    def data_sources(self, services: Sequence[Service]) -> list[Finding]:
        """Return what Grafana finds of each of its data sources. Raises NotFoundError (no load balancer)."""
        return [
            found
            for service in services
            if kind_of(service) == "grafana"
            for found in self._data_sources(self.place(service))
        ]

    def _works(self, service: Service) -> list[Work]:
        place = self.place(service)
        checks = read_checks(service, place, self.ports.clock.now().timestamp())
        works: list[Work] = [
            *(self._asking(service, check) for check in checks),
            lambda: unasked_tenancy(service, place, tenancy.NAME),
        ]
        if kind_of(service) == "grafana":
            works.append(lambda: self._data_sources(place))
        if self._aws:
            works += [lambda: self._running(service), lambda: self._routes(service, place)]
        return works

    def _asking(self, service: Service, check: Check) -> Work:
        return lambda: [self._check(service, check)]

    def _check(self, service: Service, check: Check) -> Finding:
        found, heard = self.asker.hear(check)
        return explained(service, found, check.question, heard)

    def _data_sources(self, place: Place) -> list[Finding]:
        if not self.login.headers:
            return [grafana.unasked(place, grafana.SOURCE_LIST)]
        login = dict(self.login.headers)
        listed, heard = self.asker.hear(grafana.source_list(place, login))
        if listed.level != "ok" or not isinstance(heard, HttpResponse):
            return [listed]
        sources = grafana.sources_in(heard)
        nameless = self._nameless(sources)
        checks = [grafana.source_check(place, login, one) for one in sources if one not in nameless]
        return [listed, *side_by_side(self.asker.check, checks), *(self._left_out(place, one) for one in nameless)]

    def _nameless(self, sources: Sequence[grafana.Source]) -> list[grafana.Source]:
        """The data sources whose hosts do not resolve, where only names of Cloud Map do."""
        if not self.login.no_sources or not any(map(_needs_name, sources)):
            return []
        names: set[str] = set()
        for service in self.stack.services.values():
            with suppress(NotFoundError, AccessError):
                host = self.ports.host
                names.update(host.registered_names(host.service(service.ecs_service).registries))
        return [one for one in sources if _needs_name(one) and one.host not in names]

    def _left_out(self, place: Place, source: grafana.Source) -> Finding:
        check = f"{grafana.SOURCE}{source.uid}"
        found = grafana.unasked(place, check, why=self.login.no_sources, todo="")
        return replace(found, asked=source.host)

    def _running(self, service: Service) -> list[Finding]:
        try:
            return running_findings(self._seen(service))
        except (NotFoundError, AccessError) as error:
            level: Level = "failed" if isinstance(error, NotFoundError) else "not-configured"
            return [
                Finding(
                    service=service.name, check="targets", level=level, asked=service.target_group, got=error.message,
                    todo=error.resolution,
                )
            ]  # fmt: skip

    def _seen(self, service: Service) -> Running:
        ports = self.ports
        state = ports.host.service(service.ecs_service)
        group = group_of(ports.balancer, service)
        image = state.images.get(service.container, "")
        tag = "" if "@" in image else image.rpartition(":")[2]
        return Running(
            service=service.name,
            container=service.container,
            path=group.health_check.path if group else "",
            targets=ports.balancer.targets(group.arn) if group else None,
            tasks=ports.rollouts.tasks(service.ecs_service),
            state=state,
            deployment=ports.rollouts.deployment(state.deployment) if state.deployment else None,
            tagged=(ports.registry.digest_of(service.repository, tag) or "") if tag and "/" not in tag else "",
        )

    def _routes(self, service: Service, place: Place) -> list[Finding]:
        if not service.target_group or not (service.paths.moves or service.paths.keeps or service.paths.drops):
            return []
        rules: Sequence[ListenerRule]
        try:
            rules = self.ports.balancer.rules(self.stack.environment.load_balancer)
            group = self.ports.balancer.target_group(service.target_group)
        except (NotFoundError, AccessError) as error:
            return [
                Finding(
                    service=service.name, check="paths", level="not-configured", asked="listener rules",
                    got=error.message, means="which paths reach it is not known", todo=error.resolution,
                )
            ]  # fmt: skip
        groups = route_groups(service, place, arrives_at(group.arn, rules, self.url))
        return side_by_side(lambda group: self._group(service, group), groups)

    def _group(self, service: Service, group: Group) -> Finding:
        found = side_by_side(lambda check: self._check(service, check), group.checks)
        return summed_up(group.service, group.name, found, group.fine)


def _needs_name(source: grafana.Source) -> bool:
    """Whether it asks a host by a name that has to be resolved."""
    if source.host in ("", "localhost"):
        return False
    try:
        ip_address(source.host)
    except ValueError:
        return True
    return False
