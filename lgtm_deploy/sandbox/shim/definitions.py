"""What ECS adds to a task definition that is registered."""

from __future__ import annotations

from typing import Any

# AWS: HealthCheck of a ContainerDefinition.
HEALTH_CHECK = {"interval": 30, "timeout": 5, "retries": 3}


def with_defaults(request: dict[str, Any]) -> dict[str, Any]:
    """The request of RegisterTaskDefinition, with the times that ECS gives a container health check without them."""
    containers = request.get("containerDefinitions")
    if not containers:
        return request
    return {**request, "containerDefinitions": [_container(each) for each in containers]}


def _container(container: dict[str, Any]) -> dict[str, Any]:
    check = container.get("healthCheck")
    return {**container, "healthCheck": {**HEALTH_CHECK, **check}} if check else container
