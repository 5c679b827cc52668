"""Refuses tags with the reserved prefix ``aws:``, each service in its own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import alb, ecr, ecs

RESERVED = "aws:"
# AWS's text of every service with the common tagging rules.
NOT_ALLOWED = "aws: prefixed tag key names are not allowed for external use."

Action = Callable[[dict[str, Any]], Any]


def install() -> None:
    """Put the refusal before every action of ECS, ELBv2 and ECR that takes tags."""
    for action, handler in list(ecs._ACTION_MAP.items()):
        ecs._ACTION_MAP[action] = _json_refusing(handler, "InvalidParameterException")
    for action, handler in list(alb._ACTION_MAP.items()):
        alb._ACTION_MAP[action] = _query_refusing(handler)
    # botocore's ECR model: InvalidTagParameterException.
    for action in ("_create_repository", "_tag_resource"):
        setattr(ecr, action, _json_refusing(getattr(ecr, action), "InvalidTagParameterException"))


def _json_refusing(handler: Action, code: str) -> Action:
    def refusing(request: dict[str, Any]) -> Any:
        keys = [str(tag.get("key") or tag.get("Key")) for tag in request.get("tags") or []]
        return error_response_json(code, NOT_ALLOWED, 400) if _reserved(keys) else handler(request)

    return refusing


def _query_refusing(handler: Action) -> Action:
    def refusing(parameters: dict[str, Any]) -> Any:
        found = _reserved([tag["Key"] for tag in alb._parse_tags(parameters)])
        if found:
            return alb._error("ValidationError", f"Tag key '{found[0]}' cannot start with 'aws:'")
        return handler(parameters)

    return refusing


def _reserved(keys: list[str]) -> list[str]:
    """The keys with the prefix, in whatever case (AWS: Tag, "any upper or lowercase combination")."""
    return [key for key in keys if key.lower().startswith(RESERVED)]
