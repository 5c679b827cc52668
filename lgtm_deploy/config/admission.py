"""May anything be made of a YAML text? Asked of what its parser tells of it, before any of it has a value."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, MappingStartEvent, NodeEvent

# Nobody's plan or stack has more values (aliases followed) or is deeper: the file was named by mistake.
_MOST = 100_000
_DEEPEST = 50

# What Python says of a date that is none, of a number without end, and of a character that there is not.
NO_VALUE = (ValueError, OverflowError)


class NotAdmittedError(Exception):
    """Why the text is not read. `line` and `column` count from 0; a text has no mark before its first word."""

    def __init__(self, message: str, mark: Any) -> None:
        super().__init__(message)
        self.message = message
        self.line: int = mark.line if mark else 0
        self.column: int = mark.column if mark else 0


@dataclass
class _Open:
    """A list or map that has not ended. `before`: so many values came before it; `height`: so deep it goes."""

    anchor: str | None
    before: int
    is_map: bool
    members: int = 0
    height: int = 0

    def takes(self, height: int, mark: Any) -> None:
        """Another member begins. Raises NotAdmittedError for a key that is a list or map."""
        if self.is_map and self.members % 2 == 0 and height:
            raise NotAdmittedError("a list or map cannot be a key", mark)
        self.members += 1

    def holds(self, height: int) -> None:
        """A member is so deep."""
        self.height = max(self.height, height + 1)


def check(events: Iterable[Any]) -> None:
    """Raises NotAdmittedError for the first tag, a key that is no word, an alias within what it stands for, and for
    depth or aliases without end."""
    count = 0
    around: list[_Open] = []
    known: dict[str | None, tuple[int, int]] = {}
    """Anchor -> how many values it stands for, and how deep they go."""
    for event in _placed(events):
        height = 0
        if isinstance(event, CollectionEndEvent):
            ended = around.pop()
            height = max(ended.height, 1)
            known[ended.anchor] = (count - ended.before, height)
        elif isinstance(event, NodeEvent):
            size, height = _measure(event, around, known)
            if around:
                around[-1].takes(height, event.start_mark)
            count += size
        else:
            continue
        if isinstance(event, CollectionStartEvent):
            is_map = isinstance(event, MappingStartEvent)
            around.append(_Open(anchor=event.anchor, before=count - 1, is_map=is_map))
        elif around:
            around[-1].holds(height)
        if count > _MOST or len(around) + height > _DEEPEST:
            message = "the file is nested too deeply, or its aliases make it too large"
            raise NotAdmittedError(message, event.start_mark)


def _measure(event: Any, around: list[_Open], known: dict[str | None, tuple[int, int]]) -> tuple[int, int]:
    """For how many values it stands so far, and how deep they go. Raises NotAdmittedError."""
    if isinstance(event, AliasEvent):
        if any(each.anchor == event.anchor for each in around):
            raise NotAdmittedError("an alias leads to itself", event.start_mark)
        # One that stands for nothing is for the parser's next stage to tell.
        return known.get(event.anchor, (1, 0))
    if event.tag is not None:
        raise NotAdmittedError(f"YAML tags such as {event.tag} are not allowed", event.start_mark)
    known[event.anchor] = (1, 0)
    return 1, 1 if isinstance(event, CollectionStartEvent) else 0


def _placed(events: Iterable[Any]) -> Iterator[Any]:
    """The events; where the parser stumbles over a character, the end of what it has read is told."""
    mark = None
    try:
        for event in events:
            mark = event.end_mark
            yield event
    except NO_VALUE as error:
        raise NotAdmittedError(f"not valid YAML: {error}", mark) from error
