"""Secrets that exist in a sandbox before Terraform is applied, as the stack file names them."""

import os
from collections.abc import Mapping

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection


def secret_values(stack: Stack, environment: Mapping[str, str] = os.environ) -> Mapping[str, str]:
    """Return each secret's value by its name. Raise UsageError for an environment variable that is not set."""
    values: dict[str, str] = {}
    for each in stack.environment.secrets:
        if each.variable and each.variable not in environment:
            raise UsageError(
                f"The environment variable {each.variable} is not set, and secret '{each.name}' has its value there.",
                resolution="Set it, or write the value into `secrets` of the environment in the stack file.",
            )
        values[each.name] = environment[each.variable] if each.variable else each.value
    return values


def make_secrets(stack: Stack, connection: Connection) -> None:
    """Make the stack's secrets in the local AWS. Raise UsageError for an environment variable that is not set."""
    values = secret_values(stack)
    manager = client(connection, "secretsmanager")
    for name, value in values.items():
        manager.create_secret(Name=name, SecretString=value)
