"""What `terraform show -json` says of a plan of target groups."""

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
