"""Which step comes after which."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import expand, keys_of, order_faults, upstream
from lgtm_deploy.core.plan import Plan, StepSpec
from tests.core.plans import plan

RELEASE = plan(
    ("tempo", "loki"),
    init={"uses": "x"},
    build={"uses": "x", "for_each": "services"},
    push={"uses": "x", "for_each": "services", "needs": ("build", "init")},
    flip={"uses": "x", "needs": ("push",)},
    probe={"uses": "x", "for_each": ("tempo",), "needs": ("flip", "push")},
)


def needs_of(node: str) -> tuple[str, ...]:
    return expand(RELEASE).nodes[node].needs


def test_a_step_for_each_key_becomes_a_node_per_key() -> None:
    nodes = expand(RELEASE).nodes

    assert set(nodes) == {"init", "build[tempo]", "build[loki]", "push[tempo]", "push[loki]", "flip", "probe[tempo]"}
    assert nodes["push[loki]"].key == "loki"
    assert nodes["flip"].key is None


def test_inside_one_key_a_node_needs_its_own_key_only() -> None:
    assert needs_of("push[tempo]") == ("build[tempo]", "init")


def test_a_shared_step_needs_every_key() -> None:
    assert needs_of("flip") == ("push[tempo]", "push[loki]")


def test_a_step_over_other_keys_needs_every_key() -> None:
    assert needs_of("probe[tempo]") == ("flip", "push[tempo]", "push[loki]")


def test_keys_written_out_that_are_the_services_are_the_same_keys() -> None:
    same = plan(
        ("a", "b"), x={"uses": "x", "for_each": "services"}, y={"uses": "x", "for_each": ("a", "b"), "needs": ("x",)}
    )

    assert expand(same).nodes["y[a]"].needs == ("x[a]",)
    assert keys_of(same, "x") == keys_of(same, "y")


def test_only_keeps_one_step_and_all_that_it_needs() -> None:
    graph = expand(RELEASE)

    assert set(graph.only("push").nodes) == {"init", "build[tempo]", "build[loki]", "push[tempo]", "push[loki]"}
    assert set(graph.only("push[tempo]").nodes) == {"init", "build[tempo]", "push[tempo]"}
    assert list(graph.only("flip").nodes) == [node for node in graph.nodes if node != "probe[tempo]"]


def test_only_of_an_unknown_step_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no step 'deploy'\. It has: .*flip"):
        expand(RELEASE).only("deploy")


def test_upstream_is_near_and_far() -> None:
    assert upstream(RELEASE, "flip") == {"push", "build", "init"}


def test_dependents_are_the_other_direction() -> None:
    assert expand(RELEASE).dependents()["push[loki]"] == ["flip", "probe[tempo]"]


def test_a_need_that_is_no_step_is_pointed_at() -> None:
    (fault,) = order_faults(plan(a={"uses": "x", "needs": ("b",)}))

    assert fault.path == ("steps", "a", "needs", 0)
    assert "needs 'b', which is not a step" in fault.message


@pytest.mark.parametrize(
    "needs",
    [{"a": ("a",)}, {"a": ("b",), "b": ("a",)}, {"x": (), "a": ("x", "c"), "b": ("a",), "c": ("b",), "y": ("c",)}],
)
def test_a_circle_is_pointed_at_and_written_out(needs: dict[str, tuple[str, ...]]) -> None:
    steps = {name: StepSpec(id=name, uses="x", needs=before) for name, before in needs.items()}
    circular = Plan(name="circular", steps=steps)

    (fault,) = order_faults(circular)

    _, step, _, position = fault.path
    around = fault.message.removeprefix("Steps need each other in a circle: ").removesuffix(".").split(" -> ")
    assert around[0] == around[-1] == step
    assert isinstance(position, int)
    assert needs[str(step)][position] == around[1]
    assert all(later in needs[earlier] for earlier, later in pairwise(around))


@st.composite
def orders(draw: st.DrawFn) -> Plan:
    """Plans without circles: a step needs only earlier ones, and steps are written in any order."""
    names = [f"s{index}" for index in range(draw(st.integers(1, 8)))]
    specs = {
        name: StepSpec(
            id=name,
            uses="x",
            needs=tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True))) if index else (),
            for_each=draw(st.sampled_from([None, "services", ("k1",)])),
        )
        for index, name in enumerate(names)
    }
    return Plan(name="any", services=("k1", "k2"), steps={name: specs[name] for name in draw(st.permutations(names))})


@settings(max_examples=30, deadline=None)
@given(orders())
def test_every_node_comes_after_what_it_needs(any_plan: Plan) -> None:
    assert order_faults(any_plan) == []
    seen: set[str] = set()
    for node in expand(any_plan).nodes.values():
        assert seen.issuperset(node.needs)
        seen.add(node.id)
    expected = [keys_of(any_plan, step) for step in any_plan.steps]
    assert len(seen) == sum(1 if keys is None else len(keys) for keys in expected)
