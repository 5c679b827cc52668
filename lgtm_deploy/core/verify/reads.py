"""The kinds of service that are known, and what is asked of each by reading only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast, get_args

from lgtm_deploy.core.stack import Service, ServiceKind
from lgtm_deploy.core.verify import grafana, loki, mimir, other, pyroscope, tempo
from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.core.verify.tenancy import without_tenants


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is known of a kind of service. `prefix_setting` is the setting by which it serves a prefix; empty: unknown.

    `checks` takes the time in seconds since 1970.
    """

    checks: Callable[[Place, Service, float], list[Check]]
    has_tenants: bool = True
    prefix_setting: str = "server.http_path_prefix"


PROGRAMS: Mapping[ServiceKind, Program] = {
    "grafana": Program(checks=lambda place, *_: grafana.checks(place), has_tenants=False),
    "mimir": Program(checks=lambda place, *_: mimir.checks(place)),
    "loki": Program(checks=lambda place, *_: loki.checks(place)),
    # Recorded: tempo-2.9.0-api-prefix.json, tempo-2.9.0-path-prefix.json.
    "tempo": Program(checks=lambda place, *_: tempo.checks(place), prefix_setting="http_api_prefix"),
    "pyroscope": Program(checks=lambda place, _, now: pyroscope.checks(place, now)),
    "other": Program(
        checks=lambda place, service, _: other.checks(place, service), has_tenants=False, prefix_setting=""
    ),
}


def kind_of(service: Service) -> ServiceKind:
    """Which program it is: as the stack file says, else by its name."""
    name = service.kind or service.name
    return cast(ServiceKind, name) if name in get_args(ServiceKind) else "other"


def unasked_tenancy(service: Service, place: Place, check: str) -> list[Finding]:
    """Return that a tenant check is not configured, for a program that has tenants in a stack that names none."""
    return (
        [without_tenants(place.service, check)] if PROGRAMS[kind_of(service)].has_tenants and not place.tenant else []
    )


def read_checks(service: Service, place: Place, now: float) -> list[Check]:
    """The checks of a service. `now` is in seconds since 1970."""
    return PROGRAMS[kind_of(service)].checks(place, service, now)
