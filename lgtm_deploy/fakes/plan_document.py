"""What `terraform show -json` says of a plan of target groups."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lgtm_deploy.core.ports import HealthCheck, ResourceChange

_TYPE = "aws_lb_target_group"


def entry_of(group: str, before: HealthCheck, after: HealthCheck) -> Mapping[str, Any]:
    """A target group's entry in `resource_changes`."""
    return {
        "address": f'{_TYPE}.this["{group}"]',
        "mode": "managed",
        "type": _TYPE,
        "name": "this",
        "index": group,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {
            "actions": ["no-op"] if before == after else ["update"],
            "before": {"name": group, "health_check": [_block(before)]},
            "after": {"name": group, "health_check": [_block(after)]},
            "after_unknown": {} if before == after else {"health_check": [{}]},
            "before_sensitive": {"health_check": [{}]},
            "after_sensitive": {"health_check": [{}]},
        },
    }


def definition_address(service: str) -> str:
    """The address of an ECS service's task definition."""
    return f'module.ecs.aws_ecs_task_definition.this["{service}"]'


def service_address(service: str) -> str:
    """The address of an ECS service."""
    return f'module.ecs.aws_ecs_service.this["{service}"]'


def definition_entry(service: str, arn: str, before: Sequence[Any] | None, after: Sequence[Any]) -> Mapping[str, Any]:
    """A task definition's entry in `resource_changes`: another content is another revision. Without `before` there is
    none."""
    replaced = before != after
    actions = ["delete", "create"] if before is not None else ["create"]
    values = {"family": service, "cpu": "256"}
    return {
        "address": definition_address(service),
        "module_address": "module.ecs",
        "mode": "managed",
        "type": "aws_ecs_task_definition",
        "name": "this",
        "index": service,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        **({"action_reason": "replace_because_cannot_update"} if replaced and before else {}),
        "change": {
            "actions": actions if replaced else ["no-op"],
            "before": {**values, "arn": arn, "container_definitions": json.dumps(before)} if before else None,
            "after": {
                **values,
                **({} if replaced else {"arn": arn}),
                "container_definitions": json.dumps(after),
            },
            "after_unknown": {"arn": True} if replaced else {},
            "before_sensitive": {},
            "after_sensitive": {},
            **({"replace_paths": [["container_definitions"]]} if replaced and before else {}),
        },
    }


def service_entry(
    service: str, cluster: str, *, before: Mapping[str, Any], after: Mapping[str, Any], unknown: Sequence[str]
) -> Mapping[str, Any]:
    """An ECS service's entry in `resource_changes`."""
    values = {"name": service, "cluster": cluster}
    return {
        "address": service_address(service),
        "module_address": "module.ecs",
        "mode": "managed",
        "type": "aws_ecs_service",
        "name": "this",
        "index": service,
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {
            "actions": ["no-op"] if before == after and not unknown else ["update"],
            "before": {**values, **before},
            "after": {**values, **{name: value for name, value in after.items() if name not in unknown}},
            "after_unknown": dict.fromkeys(unknown, True),
            "before_sensitive": {},
            "after_sensitive": {},
        },
    }


def document_of(entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The whole document of a plan that changes something."""
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": list(entries),
        "configuration": {
            "root_module": {
                "resources": [
                    {
                        "address": f"{_TYPE}.this",
                        "mode": "managed",
                        "type": _TYPE,
                        "name": "this",
                        "expressions": {"name": {}, "health_check": [{}]},
                    }
                ]
            }
        },
        "applyable": True,
        "complete": True,
        "errored": False,
    }


def change_of(entry: Mapping[str, Any]) -> ResourceChange:
    """The entry as ports have it."""
    change = entry["change"]
    return ResourceChange(
        address=entry["address"],
        type=entry["type"],
        actions=tuple(change["actions"]),
        before=change.get("before") or {},
        after=change.get("after") or {},
    )


def _block(check: HealthCheck) -> Mapping[str, Any]:
    # Terraform's provider has the thresholds and times as numbers, the rest as text.
    return asdict(check)
