"""Steps, the order that their inputs give, and parts of a graph."""

from dataclasses import replace
from typing import Any

import pytest

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.core.output import Output, RecipeError
from tests.engine.toys import Inputs, Toy


def added(graph: Graph, name: str, *after: object, value: Any = "") -> Any:
    return graph.add(name, Toy, Inputs(value=value), title=f"do {name}", phase=Phase.DEPLOY, after=after)


@pytest.fixture
def release() -> Graph:
    graph = Graph()
    init = added(graph, "init")
    built = {name: added(graph, f"build[{name}]") for name in ("tempo", "loki")}
    pushed = {name: added(graph, f"push[{name}]", init, value=each.value) for name, each in built.items()}
    switched = added(graph, "switch", *pushed.values())
    added(graph, "probe[tempo]", switched)
    return graph


def test_a_step_comes_after_what_it_takes_and_after_what_it_names(release: Graph) -> None:
    assert release.nodes["push[loki]"].needs == ("build[loki]", "init")
    assert release.nodes["switch"].needs == ("push[tempo]", "push[loki]")
    assert (release.nodes["push[loki]"].step, release.nodes["push[loki]"].key) == ("push", "loki")
    assert (release.nodes["switch"].key, release.nodes["switch"].uses) == (None, "toy")


@pytest.mark.parametrize("identifier", ["init", "", "a b", "push[", "push[a]b", "vars"])
def test_an_id_that_is_taken_or_malformed_is_refused(release: Graph, identifier: str) -> None:
    with pytest.raises(RecipeError, match="cannot be the ID of a step"):
        added(release, identifier)


def test_an_output_of_a_step_that_the_graph_does_not_have_is_refused(release: Graph) -> None:
    with pytest.raises(RecipeError, match=r"Step 'late' takes an output of 'nowhere', which was not added before it\."):
        added(release, "late", value=Output("nowhere").value)


def test_variables_are_promises_too_and_no_step_comes_before_them(release: Graph) -> None:
    added(release, "told", value=release.variable("ticket"))

    assert release.variables == {"ticket"}
    assert release.nodes["told"].needs == ()


def test_only_keeps_one_step_and_all_that_it_needs(release: Graph) -> None:
    assert set(release.only("push").nodes) == {"init", "build[tempo]", "build[loki]", "push[tempo]", "push[loki]"}
    assert set(release.only("push[tempo]").nodes) == {"init", "build[tempo]", "push[tempo]"}
    assert list(release.only("switch").nodes) == [node for node in release.nodes if node != "probe[tempo]"]


def test_only_of_an_unknown_step_names_the_known_ones(release: Graph) -> None:
    with pytest.raises(UsageError, match=r"no step 'deploy'\. It has: .*switch"):
        release.only("deploy")


def test_a_part_that_leaves_out_what_it_needs_is_refused(release: Graph) -> None:
    with pytest.raises(UsageError, match=r"Step 'switch' needs 'push\[loki\]', which this run leaves out"):
        release.part(set(release.nodes) - {"push[loki]"})


def test_dependents_are_the_other_direction(release: Graph) -> None:
    assert release.dependents()["push[loki]"] == ["switch"]


def test_the_digest_tells_steps_inputs_and_order_and_not_titles_or_timeouts(release: Graph) -> None:
    digest, node = release.digest(), release.nodes["switch"]

    release.nodes["switch"] = replace(node, title="another", timeout=1.0)
    assert release.digest() == digest
    for changed in (replace(node, inputs=Inputs(value="x")), replace(node, needs=node.needs[:1])):
        release.nodes["switch"] = changed
        assert release.digest() != digest
