"""Is a service's health check grace period what it should be?"""

from lgtm_deploy.core.gate import Gate, Open, Waiting
from lgtm_deploy.core.ports import ServiceHost
from lgtm_deploy.core.stack import Service


def grace_period_is(host: ServiceHost, service: Service, seconds: int) -> Gate[None]:
    """Open when it is. Raises TransientError when AWS does not answer."""
    now = host.service(service.ecs_service).grace_period_seconds
    if now == seconds:
        return Open(outputs=None)
    return Waiting(reason=f"{service.name}'s grace period is {now} s, it was {seconds} s")
