"""A YAML file as plain values, and where in the file each of them stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lgtm_deploy.config.admission import NO_VALUE, NotAdmittedError, check
from lgtm_deploy.core.errors import UsageError

# Nobody's plan or stack is larger: the file was named by mistake.
_LARGEST = 1 << 20


class _Constructor(RoundTripConstructor):
    """Tells where a value stands that Python has none for."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except NO_VALUE as error:
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
    yaml.Constructor = _Constructor
    try:
        check(YAML(typ="rt").parse(text))
        return yaml.load(text)
    except NotAdmittedError as error:
        raise UsageError(error.message, where=f"{file}:{error.line + 1}:{error.column + 1}") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        # ruamel tells a duplicate key with all that is below it.
        problem = " ".join(str(error.problem or error.context).split()).partition(" with value ")[0]
        raise UsageError(f"not valid YAML: {problem}", where=where) from error
    except YAMLError as error:
        raise UsageError(f"not valid YAML: {' '.join(str(error).split())[:200]}", where=str(file)) from error
    except RecursionError as error:
        raise UsageError(f"{file} is nested too deeply.", resolution="Is it the right file?") from error
