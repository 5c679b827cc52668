"""What is asked of each kind of service by reading only."""

from typing import cast, get_args

from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify import grafana, loki, mimir, other, pyroscope, tempo
from lgtm_deploy.core.verify.check import Check, Kind, Place
from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.core.verify.tenancy import without_tenants

_WITH_TENANTS = ("mimir", "loki", "tempo", "pyroscope")


def kind_of(service: Service) -> Kind:
    """Which program it is: as the stack file says, else by its name."""
    name = service.kind or service.name
    return cast(Kind, name) if name in get_args(Kind) else "other"


def unasked_tenancy(service: Service, place: Place, check: str) -> list[Finding]:
    """Return that a tenant check is not configured, for a program that has tenants in a stack that names none."""
    return [without_tenants(place.service, check)] if kind_of(service) in _WITH_TENANTS and not place.tenant else []


def read_checks(service: Service, place: Place, now: float) -> list[Check]:
    """The checks of a service. `now` is in seconds since 1970."""
    match kind_of(service):
        case "grafana":
            return grafana.checks(place)
        case "mimir":
            return mimir.checks(place)
        case "loki":
            return loki.checks(place)
        case "tempo":
            return tempo.checks(place)
        case "pyroscope":
            return pyroscope.checks(place, now)
        case "other":
            return other.checks(place, service)
