"""What the sandbox's records prove about a stretch of time."""

from typing import Any

Record = dict[str, Any]


def fewest_healthy(records: list[Record], since: float, until: float) -> dict[str, int]:
    """The smallest number of healthy targets that each target group had at any moment of that stretch.

    Every transition is recorded, so looking after each of them is finer than any sampling.
    """
    healthy: dict[str, set[str]] = {}
    fewest: dict[str, int] = {}
    begun = False
    for record in (each for each in records if each["kind"] == "target" and each["at"] <= until):
        if record["at"] >= since and not begun:
            begun = True
            fewest = {group: len(targets) for group, targets in healthy.items()}
        group = healthy.setdefault(record["target_group"], set())
        if record["to"] == "healthy":
            group.add(record["address"])
        else:
            group.discard(record["address"])
        if begun:
            name = record["target_group"]
            fewest[name] = min(fewest.get(name, len(group)), len(group))
    return fewest or {group: len(targets) for group, targets in healthy.items()}


def killed_by_checks(records: list[Record]) -> list[str]:
    """Why ECS stopped tasks, where it was for a failed health check."""
    stops = [each for each in records if each["kind"] == "task" and each["to"] == "STOPPED"]
    return [each["reason"] for each in stops if "health check" in str(each["reason"])]


def first(records: list[Record], kind: str, **fields: str) -> Record:
    """The first record of that kind with these fields."""
    return next(each for each in records if each["kind"] == kind and all(each[key] == fields[key] for key in fields))
