"""Which service does a request mean?"""

from __future__ import annotations

from typing import Any

from ministack.services import ecs


def find_service(request: dict[str, Any], reference: str) -> dict[str, Any] | None:
    """The service that ``reference`` (a name or an ARN) means in the request's cluster, or None."""
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    resolved = ecs._resolve_service_ref(reference) if reference else None
    if cluster is None or resolved is None:
        return None
    found: dict[str, Any] | None = ecs._services.get(f"{resolved[1] or cluster}/{resolved[0]}")
    return found
