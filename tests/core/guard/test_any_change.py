"""Whatever single thing changes outside what is allowed, the guard refuses the plan."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lgtm_deploy.core.guard import breaches
from lgtm_deploy.core.touched import missing, touched
from tests.core.guard.documents import ALLOWED, PYROSCOPE, TEMPO, change, real

pytestmark = pytest.mark.long

Way = tuple[str | int, ...]
UPDATED = (PYROSCOPE, TEMPO)
MAY_CHANGE = {("health_check", 0, "path"), ("health_check", 0, "matcher")}
SMALL = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def leaves(value: Any, way: Way = ()) -> Iterator[Way]:
    """The ways to everything that holds nothing else."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, (*way, key))
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from leaves(each, (*way, index))
    else:
        yield way


def changed(value: Any, way: Way, new: Any) -> Any:
    """The value with another leaf."""
    if not way:
        return new
    first, *rest = way
    if isinstance(value, dict):
        return {**value, first: changed(value[str(first)], tuple(rest), new)}
    return [changed(each, tuple(rest), new) if index == first else each for index, each in enumerate(value)]


def marks(way: Way) -> Any:
    """`true` at the end of the way, in Terraform's shape of marks."""
    if not way:
        return True
    first, *rest = way
    return {first: marks(tuple(rest))} if isinstance(first, str) else [*[False] * first, marks(tuple(rest))]


PLACES = [
    (each["address"], side, way)
    for each in real()["resource_changes"]
    for side in ("before", "after")
    for way in leaves(each["change"][side])
    if not (each["address"] in UPDATED and way in MAY_CHANGE)
]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.just([]), st.just({}), st.just([{"a": "b"}])
)


def test_there_are_places_enough_to_look_at() -> None:
    assert len(PLACES) > 500


@SMALL
@given(st.sampled_from(PLACES), VALUES)
def test_any_other_value_is_refused(place: tuple[str, str, Way], new: Any) -> None:
    address, side, way = place
    document = real()
    found = change(document, address)
    value = changed(found[side], way, new)
    assume(json.dumps(value) != json.dumps(found[side]))
    found[side] = value

    (line,) = breaches(document, ALLOWED)

    assert line.startswith(f"{address}: {way[0]}")


@SMALL
@given(st.sampled_from([(address, way) for address, side, way in PLACES if side == "after" and len(way) > 1]))
def test_any_unknown_value_in_a_block_is_refused(place: tuple[str, Way]) -> None:
    address, way = place
    document = real()
    change(document, address)["after_unknown"] = marks(way)

    (line,) = breaches(document, ALLOWED)

    assert line.startswith(f"{address}: {way[0]}")
    assert "(known after apply)" in line


@SMALL
@given(
    st.integers(0, len(real()["resource_changes"]) - 1),
    st.lists(st.sampled_from(["create", "delete", "forget", "read", "update", "no-op", "x"]), min_size=1, max_size=2),
)
def test_any_other_action_is_refused(index: int, actions: list[str]) -> None:
    document = real()
    entry = document["resource_changes"][index]
    assume(actions != entry["change"]["actions"])
    # An update of a target group in which nothing changes is as good as none.
    assume(not (actions == ["update"] and entry["type"] == "aws_lb_target_group"))
    entry["change"]["actions"] = actions

    assert breaches(document, ALLOWED)


@SMALL
@given(st.sets(st.sampled_from([("health_check", "path"), ("health_check", "matcher"), ("port",), ("slow_start",)])))
def test_what_a_plan_has_touched_is_all_that_may_come_back(names: set[tuple[str, ...]]) -> None:
    document = real()
    forth = change(document, TEMPO)
    forth["after"] = {**forth["before"], "health_check": [dict(forth["before"]["health_check"][0])]}
    for name in names:
        (forth["after"]["health_check"][0] if len(name) > 1 else forth["after"])[name[-1]] = "other"
    scope = touched(document)

    back = real()
    for address in UPDATED:
        there = change(document, address)
        change(back, address).update(before=there["after"], after=there["before"])

    assert breaches(back, scope) == ()
    mine = next(each for each in scope if each.name == TEMPO)
    moves = ("health_check", "path") in names
    assert (mine.group, mine.path) == (("lgtm-sandbox-tempo-tg", "other") if moves else ("", ""))
    assert (mine.type, mine.actions) == ("aws_lb_target_group", ("update",))
    assert mine.attributes == tuple(sorted(".".join(name) for name in names))
    assert missing(back, scope) == ()
    assert len(missing(document, scope)) == sum(len(each.attributes) for each in scope)
    change(back, TEMPO)["after"]["tags_all"] = {}
    assert breaches(back, scope)
