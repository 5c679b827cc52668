"""The target group of a service, where a load balancer has its tasks."""

from lgtm_deploy.core.ports import Balancer, TargetGroup
from lgtm_deploy.core.stack import Service


def group_of(balancer: Balancer, service: Service) -> TargetGroup | None:
    """Return the service's target group; None: the stack file names none. Raises NotFoundError."""
    return balancer.target_group(service.target_group) if service.target_group else None


def checked_path(balancer: Balancer, service: Service) -> str:
    """Return the path that the load balancer checks; empty: no load balancer has the service. Raises NotFoundError."""
    group = group_of(balancer, service)
    return group.health_check.path if group else ""
