"""Words that several views share: AWS's own about a service that goes wrong, and the origins of base images."""

import re
from collections.abc import Iterable, Mapping

from lgtm_deploy.core.ports import ServiceEvent

# AWS: ECS developer guide, "Service event messages". Those that come with every rollout tell nothing.
_TROUBLE = re.compile(
    r"unable to|unhealthy in|failed container health checks|throttled|deployment failed|capacity is unavailable",
    re.IGNORECASE,
)
_UNHEALTHY = re.compile(r"is unhealthy in \(target-group (\S+?)\) due to \(reason (.+?)\)\.?$")
_SUBJECT = re.compile(r"^(\(service [^)]*\)|service \S+)\s+")


def trouble(events: Iterable[ServiceEvent]) -> str:
    """The newest message that says what is wrong, such as a task that cannot be placed; empty when none does."""
    for event in events:
        if _TROUBLE.search(event.message):
            return f"ECS says: {_SUBJECT.sub('', event.message).rstrip('.')}"
    return ""


def check_failure(events: Iterable[ServiceEvent]) -> str:
    """What the load balancer got from the target that it found unhealthy last, with the code; empty when it found
    none."""
    for event in events:
        if found := _UNHEALTHY.search(event.message):
            return found[2]
    return ""


def joined(*parts: str) -> str:
    """The parts that are not empty, one after the other."""
    return ": ".join(part for part in parts if part)


def grouped(origins: Mapping[str, str]) -> list[str]:
    """Return the services of each origin of base images, a line each: `stand-in (recorded): loki, mimir`."""
    services: dict[str, list[str]] = {}
    for service, origin in sorted(origins.items()):
        services.setdefault(origin, []).append(service)
    return [f"{origin}: {', '.join(names)}" for origin, names in sorted(services.items())]
