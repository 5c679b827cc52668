"""No health check moves before the new tasks of its service are known to answer."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.config import plan_file, stack_file
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.order import turns, ungated
from lgtm_deploy.core.output import UnknownYetError
from lgtm_deploy.core.recipe import build
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.recipes.registry import BUNDLED
from tests.conftest import EXAMPLE
from tests.steps.simulation import Simulation, with_options

SWITCH, FIRST = "switch-health-checks", "switch-health-checks-first"


@pytest.fixture(scope="module")
def stack() -> Stack:
    return stack_file.load(EXAMPLE / "lgtm-deploy.yaml", "prod")


def graph_of(stack: Stack, plan: str = "prefix-change", **options: object) -> Graph:
    loaded = plan_file.load(plan_file.find(plan, Path("/nowhere")), BUNDLED)
    return build(with_options(loaded, **options), stack)


def moving(*groups: str) -> list[Mapping[str, Any]]:
    return [{"group": group, "path": "/new" if group else ""} for group in groups]


def found(graph: Graph, stack: Stack, strategy: str, *groups: str) -> list[str]:
    results: Mapping[str, Any] = {
        "terraform-plan": {"touched": moving(*groups)},
        "terraform-replan": {"touched": moving(*groups)},
        "choose-strategy": {"sequence": strategy},
    }

    def result(step: str) -> Any:
        if step not in results:
            raise UnknownYetError(step)
        return results[step]

    return list(ungated(graph, stack, result))


def test_what_the_saved_plan_moves_must_be_gated(stack: Stack) -> None:
    graph = graph_of(stack)

    assert found(graph, stack, "grace-hold", "lgtm-prod-tempo-tg", "lgtm-prod-pyroscope-tg", "") == []
    said = found(graph, stack, "grace-hold", "lgtm-prod-loki-tg", "lgtm-prod-pyroscope-tg")
    assert f"step '{SWITCH}' moves the health check of loki before its new tasks are known to answer" in said
    assert not any("pyroscope" in each for each in said)


def test_each_deployment_of_a_service_must_be_gated(stack: Stack) -> None:
    graph = graph_of(stack)
    again = replace(graph.nodes["deploy[tempo]"], id="deploy-again[tempo]")
    graph.nodes[again.id] = again

    (said, _) = found(graph, stack, "grace-hold", "lgtm-prod-tempo-tg")
    assert f"step '{SWITCH}' moves the health check of tempo" in said


def test_a_target_group_that_no_service_names_must_be_gated_too(stack: Stack) -> None:
    (said, _) = found(graph_of(stack), stack, "grace-hold", "somebody-elses")

    assert "moves the health check of somebody-elses before" in said


@pytest.mark.parametrize("strategy", ["check-first", "matcher-widening", "direct", "grace-hold"])
def test_the_early_switch_is_for_strategies_that_keep_the_old_tasks_healthy(stack: Stack, strategy: str) -> None:
    graph = graph_of(stack, "prefix-change-any-order")

    assert found(graph, stack, strategy, "lgtm-prod-pyroscope-tg") == []


def test_a_recipe_without_gates_may_move_no_health_check(stack: Stack) -> None:
    graph = graph_of(stack, "prefix-rewrite")

    assert found(graph, stack, "", "") == []
    (said,) = found(graph, stack, "", "lgtm-prod-tempo-tg")
    assert said.startswith("step 'rewrite' moves the health check of tempo")


def test_a_run_is_refused_before_it_is_approved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = Simulation(tmp_path)
    graph = world.graph()
    switch = graph.nodes[SWITCH]
    graph.nodes[SWITCH] = replace(switch, inputs=replace(switch.inputs, healthy=switch.inputs.healthy[:1]))
    monkeypatch.setattr(world, "graph", lambda: graph)

    run = world.apply()

    assert run.verdict == "refused"
    assert "moves the health check of pyroscope before its new tasks are known to answer" in run.reason
    assert not any(world.cloud.called(call) for call in ("registry.push", "host.update", "infrastructure.apply"))


def test_only_one_step_takes_along_what_it_needs(stack: Stack) -> None:
    whole = graph_of(stack)

    gates = {"wait-for-tasks[tempo]", "wait-for-tasks[pyroscope]"}
    for name in whole.nodes:
        part = whole.only(name)
        assert SWITCH not in part.nodes or gates < part.nodes.keys(), name


def test_a_part_of_a_plan_that_leaves_out_a_gate_is_refused(stack: Stack) -> None:
    whole = graph_of(stack)

    with pytest.raises(UsageError, match=r"needs 'wait-for-tasks\[tempo\]', which this run leaves out"):
        whole.part(name for name in whole.nodes if name != "wait-for-tasks[tempo]")


def test_services_of_one_root_are_deployed_one_after_the_other(stack: Stack) -> None:
    roots = {"tempo": "ecs", "pyroscope": "ecs", "grafana": "ecs", "loki": "logs"}
    services = {name: replace(each, task_definition=roots.get(name, "")) for name, each in stack.services.items()}
    graph = graph_of(stack, services=("tempo", "loki", "pyroscope"))

    assert turns(graph, stack) == {}
    assert turns(graph, replace(stack, services=services)) == {
        "deploy[pyroscope]": "deploy[tempo]",
        "deploy[grafana]": "deploy[pyroscope]",
    }
