"""A YAML file as plain values, and where in the file each of them stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode

from lgtm_deploy.core.errors import UsageError

# A larger file, one with more values (aliases followed), or a deeper one was named by mistake.
_LARGEST = 1 << 20
_MOST_VALUES = 100_000
_DEEPEST = 50
# Errors of Python for a date that does not exist, a number without end, and a character that does not exist.
_NO_VALUE = (ValueError, OverflowError)


class _NotAllowedError(MarkedYAMLError):
    """The file is valid YAML, and is not read."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(None, None, problem, mark)


class _Composer(Composer):
    """Refuses tags, keys that are no words, aliases within what they stand for, and depth or aliases without end.

    It refuses them before any value is made, as a small file can stand for more values than fit into memory.
    """

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.mark: Any = None
        """The end of the last node that was begun."""
        self._count = self._depth = 0
        self._measures: dict[int, tuple[int, int]] = {}
        """Node's id -> the number of values that it stands for, and its depth."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        self.mark = event.end_mark
        if getattr(event, "tag", None) is not None:
            raise _NotAllowedError(f"YAML tags such as {event.tag} are not allowed", event.start_mark)
        self._limit(0, event)
        before, self._depth = self._count, self._depth + 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, AliasEvent):
            if id(node) not in self._measures:
                raise _NotAllowedError("an alias leads to itself", event.start_mark)
            size, height = self._measures[id(node)]
            self._count += size
        else:
            self._count += 1
            inner = [] if isinstance(node, ScalarNode) else node.value
            parts = [part for each in inner for part in (each if isinstance(node, MappingNode) else (each,))]
            height = (
                0 if isinstance(node, ScalarNode) else 1 + max((self._measures[id(x)][1] for x in parts), default=0)
            )
            self._measures[id(node)] = (self._count - before, height)
        if height and index is None and isinstance(parent, MappingNode):
            raise _NotAllowedError("a list or map cannot be a key", event.start_mark)
        self._limit(height, event)
        return node

    def _limit(self, height: int, event: Any) -> None:
        if self._count > _MOST_VALUES or self._depth + height > _DEEPEST:
            message = "the file is nested too deeply, or its aliases make it too large"
            raise _NotAllowedError(message, event.start_mark)


class _Constructor(RoundTripConstructor):
    """Tells where a value stands that Python has none for."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except _NO_VALUE as error:
            # What Python advises to do about a long number is nothing for a file's reader.
            raise ConstructorError(None, None, str(error).partition(";")[0], node.start_mark) from error


@dataclass(frozen=True)
class Source:
    """A file that was read. `values` are dicts, lists and scalars."""

    file: Path
    text: str
    values: Any

    def where(self, path: Sequence[str | int]) -> str:
        """`file:line:column` of what the path leads to, or of the nearest thing above it that is there."""
        line, column = 0, 0
        at = self.values
        for part in path:
            try:
                if isinstance(at, CommentedMap):
                    line, column = at.lc.key(part)
                elif isinstance(at, CommentedSeq):
                    line, column = at.lc.item(part)
                at = at[part]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
        return f"{self.file}:{line + 1}:{column + 1}"

    def fault(self, path: Sequence[str | int], message: str, resolution: str = "") -> UsageError:
        """The error that points at that place."""
        return UsageError(message, resolution=resolution, where=self.where(path))


def read(file: Path) -> Source:
    """Reads one YAML document. Tags are not followed, so that a file can only say things and never do any.

    Raises UsageError: no file, not text, not YAML, a key twice, a YAML tag, aliases without end.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise UsageError(f"{file} is larger than 1 MiB.", resolution="Is it the right file?")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text.") from error
    values = _values(file, text)
    source = Source(file=file, text=text, values=values)
    if not isinstance(values, CommentedMap):
        raise source.fault((), "a map of keys is expected here")
    return source


def _values(file: Path, text: str) -> Any:
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    yaml.Composer = _Composer
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # ruamel tells a duplicate key with all that is below it.
        problem = " ".join(str(error.problem or error.context).split()).partition(" with value ")[0]
        prefix = "" if isinstance(error, _NotAllowedError) else "not valid YAML: "
        raise UsageError(f"{prefix}{problem}", where=_place(file, mark) if mark else str(file)) from error
    except _NO_VALUE as error:
        raise UsageError(f"not valid YAML: {error}", where=_place(file, yaml.composer.mark)) from error
    except YAMLError as error:
        raise UsageError(f"not valid YAML: {' '.join(str(error).split())[:200]}", where=str(file)) from error
    except RecursionError as error:
        raise UsageError(f"{file} is nested too deeply.", resolution="Is it the right file?") from error


def _place(file: Path, mark: Any) -> str:
    return f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else f"{file}:1:1"
