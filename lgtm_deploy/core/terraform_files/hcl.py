"""Terraform files as plain values, by python-hcl2.

python-hcl2 keeps the quotes of a string (`"tempo"`) and puts any other expression into `${…}`. Blocks are lists.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_LOCAL_SOURCE = re.compile(r"\bsource\s*=\s*\"(\.{1,2}/[^\"]*)\"")
_BLOCK = "__is_block__"
# Two parses at once change each other's result: python-hcl2 keeps state of a parse beside it (seen with 8.1).
_ONE_AT_A_TIME = threading.Lock()


class NotHclError(Exception):
    """A text that python-hcl2 cannot parse. `line` and `column` count from 1; 0 where they are not known."""

    def __init__(self, line: int, column: int) -> None:
        super().__init__(f"it cannot be parsed at line {line}")
        self.line = line
        self.column = column


@lru_cache(maxsize=256)
def parsed(text: str) -> Mapping[str, Any]:
    """Return the file's attributes and blocks. Raises NotHclError."""
    # It takes some 0.3 s, and few commands read Terraform files.
    import hcl2  # noqa: PLC0415
    from lark.exceptions import LarkError  # noqa: PLC0415

    try:
        options = hcl2.SerializationOptions(with_comments=False)
        with _ONE_AT_A_TIME:
            found: Mapping[str, Any] = hcl2.loads(f"{text}\n", serialization_options=options)
    except LarkError as error:
        raise NotHclError(max(getattr(error, "line", 0), 0), max(getattr(error, "column", 0), 0)) from error
    except (ValueError, RecursionError) as error:
        raise NotHclError(0, 0) from error
    return found


def blocks(document: Mapping[str, Any], *kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the last label and the body of each block: `blocks(document, "resource", "aws_ecs_service")`."""
    for block in bodies(document, kind[0]):
        yield from _labelled(block, kind[1:])


def bodies(holder: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    """Yield the bodies of blocks without labels, such as `lifecycle`."""
    found = holder.get(kind, [])
    yield from (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()


def attributes(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a block or file holds, without python-hcl2's marks."""
    return {name: value for name, value in body.items() if name != _BLOCK}


def local_sources(text: str) -> list[str]:
    """Return the folders of the local modules that a file calls, as it names them."""
    if not _LOCAL_SOURCE.search(text):
        return []
    try:
        found = [str(body.get("source")).strip('"') for _, body in blocks(parsed(text), "module")]
    except NotHclError:
        return _LOCAL_SOURCE.findall(text)
    return [source for source in found if source.startswith(("./", "../"))]


def _labelled(block: Mapping[str, Any], labels: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for label, body in attributes(block).items():
        name = label.strip('"')
        if not isinstance(body, Mapping):
            # The block has fewer labels: Terraform refuses it.
            continue
        if not labels:
            yield name, body
        elif name == labels[0]:
            yield from _labelled(body, labels[1:])
