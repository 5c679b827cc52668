"""Decides the order in which a task's containers start, and whether a dependency lets the next one start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# AWS: ContainerDefinition.startTimeout, on Fargate "the default value of 3 minutes is used".
DEFAULT_START_TIMEOUT = 180.0
ENDED = {"COMPLETE", "SUCCESS"}

Json = dict[str, Any]


def in_order(containers: Sequence[Json]) -> list[Json]:
    """Return container definitions in an order that ``dependsOn`` allows; essential ones first where it is free."""
    by_name = {container["name"]: container for container in containers}
    ordered: dict[str, Json] = {}

    def place(container: Json, above: tuple[str, ...]) -> None:
        for dependency in container.get("dependsOn") or []:
            name = dependency["containerName"]
            if name in by_name and name not in above:
                place(by_name[name], (*above, name))
        ordered.setdefault(container["name"], container)

    for container in sorted(containers, key=lambda each: not each.get("essential", True)):
        place(container, (container["name"],))
    return list(ordered.values())


def must_end(name: str, containers: Sequence[Json]) -> bool:
    """Say whether another container waits for the end of this one: then it lends nobody its network."""
    return any(
        dependency["containerName"] == name and dependency["condition"] in ENDED
        for container in containers
        for dependency in container.get("dependsOn") or []
    )


def is_met(condition: str, *, running: bool, exit_code: int | None, health: str | None) -> bool | None:
    """Say whether a dependency's condition holds; None where it may still come to hold (AWS: ContainerDependency)."""
    if condition == "START":
        return True
    if condition == "HEALTHY":
        return False if not running else health == "healthy" or None
    if running:
        return None
    return condition == "COMPLETE" or exit_code == 0
