"""The calls that change AWS, in their order, for each strategy, as stored before recipes built the graph."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.engine.conduct import Decisions, conduct
from lgtm_deploy.fakes.script import Call
from tests.steps.simulation import Simulation, no_hook
from tests.steps.test_sequences import answers_too, thresholds, today, tomorrow

STORED = Path(__file__).with_name("calls.json")
CHANGING = (
    "registry.push",
    "registry.tag",
    "host.update",
    "host.revise",
    "infrastructure.apply",
    "shadow.create",
    "shadow.remove",
)
ANY_ORDER, IMAGES_FIRST = "prefix-change-any-order", "prefix-change"


def nothing(_world: Simulation) -> None:
    return


def both_paths_new(world: Simulation) -> None:
    tomorrow(world, answers_too("/ready"))


def both_paths_old(world: Simulation) -> None:
    today(world, answers_too("/portal/ready", "/pyroscope/ready"))


def tight(world: Simulation) -> None:
    thresholds(world, healthy=3, unhealthy=2)


def unreachable(world: Simulation) -> None:
    world.stack = replace(world.stack, environment=replace(world.stack.environment, task_probe="shadow"))


def never_ready(world: Simulation) -> None:
    for name in ("portal", "grafana"):
        place = (world.stack.directory / world.service(name).context).resolve()
        contract = world.cloud.sources[place].contract
        world.cloud.sources[place] = replace(world.cloud.sources[place], contract=replace(contract, exit_code=1))


CASES: dict[str, tuple[str, Callable[[Simulation], None], dict[str, Any]]] = {
    "direct": (IMAGES_FIRST, both_paths_new, {}),
    "grace-hold": (IMAGES_FIRST, nothing, {}),
    "grace-hold with raised thresholds": (IMAGES_FIRST, tight, {}),
    "grace-hold where only the load balancer reaches tasks": (IMAGES_FIRST, unreachable, {}),
    "grace-hold beside a service that rolls directly": (IMAGES_FIRST, nothing, {"whole": True}),
    "grace-hold that is rolled back": (IMAGES_FIRST, never_ready, {"skip": "this machine has no engine"}),
    "check-first": (ANY_ORDER, both_paths_old, {}),
    "matcher-widening": (ANY_ORDER, nothing, {}),
    "direct where any order is allowed": (ANY_ORDER, both_paths_new, {}),
}


def calls_of(case: str, folder: Path) -> list[str]:
    """The changing calls of one run, one step at a time."""
    plan, prepare, how = CASES[case]
    world = Simulation(folder, plan=plan, **how)
    prepare(world)
    decisions = Decisions(approve=lambda _: True)
    conduct(replace(world.job(), parallelism=1), decisions, no_hook, stack="lgtm", by="me")
    return list(lines(world.cloud.calls))


def lines(calls: list[Call]) -> Iterator[str]:
    for call in calls:
        if call.name in CHANGING:
            yield " ".join([call.name, *(word for each in call.arguments.items() if (word := spelled(*each)))])


def spelled(name: str, value: Any) -> str:
    """An argument, without what differs between machines."""
    if name in ("image_id", "digest", "tag", "arn", "like") or value is None or value is False:
        return ""
    match name:
        case "root":
            return str(Path(value).name)
        case "plan":
            return str(value.file.name)
        case "images":
            return f"{name}={','.join(value)}"
        case "task_definition":
            return f"{name}={value.rpartition('/')[2]}"
    return f"{name}={value}"


@pytest.mark.parametrize("case", CASES)
def test_the_calls_that_change_aws_are_those_of_the_plans_before_recipes(case: str, tmp_path: Path) -> None:
    assert calls_of(case, tmp_path) == json.loads(STORED.read_text(encoding="utf-8"))[case]
