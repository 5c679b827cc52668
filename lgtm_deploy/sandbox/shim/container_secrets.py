"""Resolves a container definition's ``secrets`` as ECS does, with AWS's words where one cannot be had.

AWS: secrets-envvar-secrets-manager (``arn:json-key:version-stage:version-id``); MiniStack ignores the version.
The texts are those of ``stoppedReason`` on Fargate.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import ecs, secretsmanager, ssm

ARN_PARTS = 7
FROM_SECRETS_MANAGER = "unable to retrieve secret from asm: service call has been retried 1 time(s): "
FROM_PARAMETER_STORE = "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "


def install() -> None:
    """Put the replacement into MiniStack."""
    ecs._resolve_container_secrets = resolve


def resolve(container: dict[str, Any]) -> dict[str, str]:
    """The values of a container's secrets by the name of their variable.

    Raises MiniStack's ``_SecretResolutionError``, which stops the task with a ResourceInitializationError.
    """
    return {secret["name"]: _value(secret["valueFrom"]) for secret in container.get("secrets") or []}


def _value(reference: str) -> str:
    if not reference.startswith("arn:") or reference.split(":")[2] != "secretsmanager":
        parameter = ssm.resolve_parameter_value(reference, decrypt=True)
        if parameter is None:
            raise ecs._SecretResolutionError(f"{FROM_PARAMETER_STORE}invalid ssm parameters: {reference}")
        return str(parameter)
    parts = reference.split(":")
    key, stage, version = (*parts[ARN_PARTS:], "", "", "")[:3]
    text = _secret(":".join(parts[:ARN_PARTS]), stage, version)
    return _field(text, key) if key else text


def _secret(arn: str, stage: str, version: str) -> str:
    found = secretsmanager.resolve_secret_string(arn, stage or "AWSCURRENT", version or None)
    if found is None:
        why = "ResourceNotFoundException: Secrets Manager can't find the specified secret."
        raise ecs._SecretResolutionError(
            f"{FROM_SECRETS_MANAGER}failed to fetch secret {arn} from secrets manager: {why}"
        )
    return str(found)


def _field(text: str, key: str) -> str:
    try:
        fields = json.loads(text)
    except ValueError:
        why = f"invalid character '{text[:1]}' looking for beginning of value"
        raise ecs._SecretResolutionError(f"{FROM_SECRETS_MANAGER}{why}") from None
    if not isinstance(fields, dict) or key not in fields:
        why = f"retrieved secret from Secrets Manager did not contain json key {key}"
        raise ecs._SecretResolutionError(f"{FROM_SECRETS_MANAGER}{why}")
    value = fields[key]
    return value if isinstance(value, str) else json.dumps(value)
