"""What does a service tell in its events?"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import ecs

EVENTS_KEPT = 100


def announce(service: dict[str, Any], text: str) -> None:
    """Add a service event, in ECS's form ``(service name) text`` (AWS: service-event-messages-list)."""
    message = f"(service {service['serviceName']}) {text}"
    service["events"].insert(0, {"id": new_uuid(), "createdAt": ecs._iso(), "message": message})
    del service["events"][EVENTS_KEPT:]
