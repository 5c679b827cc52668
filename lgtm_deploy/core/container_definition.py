"""How a task definition starts a container (AWS: TaskDefinition, ContainerDefinition)."""

from collections.abc import Mapping
from typing import Any

from lgtm_deploy.core.ports import ContainerSpec, Ulimit

Record = Mapping[str, Any]


def environment_of(container: Record) -> dict[str, str]:
    """Return the environment variables that a container definition sets."""
    return {variable["name"]: variable.get("value", "") for variable in container.get("environment") or ()}


def container_spec(definition: Record, container: Record) -> ContainerSpec:
    """Return how the container is started.

    One without limits of its own has the task's (AWS: TaskDefinition, cpu and memory, which on Fargate are hard
    limits). Terraform writes null for what is not set.
    """
    mounts = container.get("mountPoints") or ()
    return ContainerSpec(
        environment=environment_of(container),
        secrets=tuple(secret["name"] for secret in container.get("secrets") or ()),
        command=tuple(container.get("command") or ()),
        entry_point=tuple(container.get("entryPoint") or ()),
        user=container.get("user") or "",
        working_directory=container.get("workingDirectory") or "",
        memory=int(container.get("memory") or definition.get("memory") or 0),
        cpu=int(container.get("cpu") or definition.get("cpu") or 0),
        read_only=bool(container.get("readonlyRootFilesystem")),
        ulimits=tuple(
            Ulimit(name=limit["name"], soft=limit["softLimit"], hard=limit["hardLimit"])
            for limit in container.get("ulimits") or ()
        ),
        mounts=tuple(mount["containerPath"] for mount in mounts if "containerPath" in mount),
    )
