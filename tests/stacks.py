"""Services of a stack for tests that need only some of their fields."""

from typing import Any

from lgtm_deploy.core.stack import Health, Service


def make_service(**fields: Any) -> Service:
    """Return a service with these fields; the others that a stack file must have are filled with defaults."""
    given = {"name": "", "context": "", "repository": "", "ecs_service": "", "port": 80, "health": Health(path="/")}
    return Service(**{**given, **fields})
