"""A YAML file as plain values, and where in the file each of them stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lgtm_deploy.core.errors import UsageError

# Nobody's plan or stack is larger; a file that is was named by mistake.
_LARGEST = 1 << 20


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

    Raises UsageError: no file, not text, not YAML, a key twice, a YAML tag.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise UsageError(f"{file} is larger than 1 MiB.", resolution="Is it the right file?")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"Cannot read {file}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text.") from error
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        values = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        problem = " ".join(str(error.problem or error.context).split())
        raise UsageError(f"not valid YAML: {problem}", where=where) from error
    except YAMLError as error:
        raise UsageError(f"not valid YAML: {' '.join(str(error).split())[:200]}", where=str(file)) from error
    source = Source(file=file, text=text, values=values)
    _refuse_tags(source, values, ())
    if not isinstance(values, CommentedMap):
        raise source.fault((), "a map of keys is expected here")
    return source


def _refuse_tags(source: Source, value: Any, path: tuple[str | int, ...]) -> None:
    tag = getattr(value, "tag", None)
    if tag is not None and getattr(tag, "value", None) is not None:
        raise source.fault(path, f"YAML tags such as {tag.value} are not allowed")
    if isinstance(value, CommentedMap):
        for key, each in value.items():
            _refuse_tags(source, each, (*path, key))
    elif isinstance(value, CommentedSeq):
        for position, each in enumerate(value):
            _refuse_tags(source, each, (*path, position))
