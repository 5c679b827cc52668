"""A mapping that is changed often and never loses an earlier state: only what differs is made anew."""

from collections.abc import Iterator, Mapping, Sequence, ValuesView
from itertools import chain
from typing import Any, Generic, TypeVar

ValueT = TypeVar("ValueT")

# A node holds so many values, or so many nodes.
_BITS = 5
_WIDTH = 1 << _BITS

_Node = tuple[Any, ...]


class PersistentMap(Mapping[str, ValueT], Generic[ValueT]):
    """Immutable, with its keys in the order in which they were first put.

    A changed copy takes as long as the tree is high: its leaves hold 32 values each, in the order of the keys, and only
    the way from the root to one leaf is copied. A new key has everything copied.
    """

    __slots__ = ("_height", "_places", "_root")

    def __init__(self, values: Mapping[str, ValueT]) -> None:
        self._places = {key: place for place, key in enumerate(values)}
        level = _grouped(tuple(values.values()))
        self._height = 0
        while len(level) > 1:
            level = _grouped(level)
            self._height += 1
        self._root: _Node = level[0] if level else ()

    def __getitem__(self, key: str) -> ValueT:
        place = self._places[key]
        node = self._root
        for height in range(self._height, 0, -1):
            node = node[place >> height * _BITS & _WIDTH - 1]
        value: ValueT = node[place & _WIDTH - 1]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def values(self) -> ValuesView[ValueT]:
        """The values in the order of their keys."""
        return _Values(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def leaves(self) -> Iterator[_Node]:
        """The values, 32 at a time."""
        level: Sequence[_Node] = (self._root,)
        for _ in range(self._height):
            level = [each for node in level for each in node]
        return iter(level)

    def put(self, key: str, value: ValueT) -> "PersistentMap[ValueT]":
        """The mapping with this value; what it was stays what it is."""
        place = self._places.get(key)
        if place is None:
            return PersistentMap({**self, key: value})
        changed = PersistentMap.__new__(PersistentMap)
        changed._places = self._places
        changed._height = self._height
        changed._root = _replaced(self._root, self._height, place, value)
        return changed


class _Values(ValuesView[ValueT]):
    """One after the other, without looking each of them up."""

    def __init__(self, values: PersistentMap[ValueT]) -> None:
        super().__init__(values)
        self._leaves = values.leaves

    def __iter__(self) -> Iterator[ValueT]:
        return chain.from_iterable(self._leaves())


def put(values: Mapping[str, ValueT], key: str, value: ValueT) -> PersistentMap[ValueT]:
    """The mapping with this value; one that cannot be changed cheaply is made so first."""
    return (values if isinstance(values, PersistentMap) else PersistentMap(values)).put(key, value)


def _grouped(values: Sequence[Any]) -> tuple[_Node, ...]:
    return tuple(tuple(values[at : at + _WIDTH]) for at in range(0, len(values), _WIDTH))


def _replaced(node: _Node, height: int, place: int, value: Any) -> _Node:
    here = place >> height * _BITS & _WIDTH - 1
    if height:
        value = _replaced(node[here], height - 1, place, value)
    return (*node[:here], value, *node[here + 1 :])
