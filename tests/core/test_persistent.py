"""A mapping of which every earlier state stays what it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lgtm_deploy.core.persistent import PersistentMap, put


def numbered(size: int) -> dict[str, int]:
    return {f"k{each}": each for each in range(size)}


def nodes(values: PersistentMap[Any]) -> set[int]:
    found, todo = set(), [values._root]
    while todo:
        node = todo.pop()
        found.add(id(node))
        todo.extend(each for each in node if isinstance(each, tuple))
    return found


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1024, 1025, 2100])
def test_it_holds_what_a_dict_holds_in_the_same_order(size: int) -> None:
    values = numbered(size)

    persistent = PersistentMap(values)

    assert (persistent, len(persistent)) == (values, size)
    assert list(persistent.items()) == list(values.items())
    assert list(persistent.values()) == list(values.values())


@given(st.integers(0, 70), st.lists(st.tuples(st.integers(0, 80), st.integers())))
def test_it_changes_as_a_dict_does_and_what_it_was_stays(size: int, changes: list[tuple[int, int]]) -> None:
    known = numbered(size)
    values = PersistentMap(known)
    for number, value in changes:
        key = f"k{number}"
        before = values
        values = put(values, key, value)
        assert list(before.items()) == list(known.items())
        known = {**known, key: value}
        assert list(values.items()) == list(known.items())


def test_what_it_does_not_hold_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        PersistentMap(numbered(40))["other"]


def test_a_plain_mapping_becomes_one_when_it_is_first_changed() -> None:
    values = {"a": 1, "b": 2}

    assert dict(put(values, "a", 3)) == {"a": 3, "b": 2}
    assert values == {"a": 1, "b": 2}


def test_a_change_makes_one_node_a_level_anew_however_much_it_holds() -> None:
    new = []
    for size in (2_000, 4_000, 20_000):
        values = PersistentMap(numbered(size))
        new.append(len(nodes(values.put("k1000", -1)) - nodes(values)))

    assert new == [3, 3, 3]
