"""Lines of cells of fixed width, for a terminal in colour and for a file without."""

from collections.abc import Iterable
from io import StringIO
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from lgtm_deploy.render.text import fitted, put

# Where there is no terminal to ask.
WIDTH = 80


def cell(text: str, width: int, style: str = "", *, right: bool = False) -> Text:
    """The text in exactly `width` terminal cells."""
    text = fitted(text, width)
    blank = " " * (width - cell_len(text))
    return Text(blank + text if right else text + blank, style=style)


def line(*cells: Text | str) -> Text:
    """Cells joined by one blank, which is never wrapped."""
    joined = Text(no_wrap=True, overflow="ellipsis")
    for number, each in enumerate(cells):
        joined.append(" " if number else "").append(each)
    joined.rstrip()
    return joined


def columns(out: TextIO) -> int:
    """How many terminal cells a line may have. One less than there are: a full line may wrap when one types."""
    return Console(file=out).width - 1 if _is_terminal(out) else WIDTH


def show(lines: Iterable[Text], out: TextIO) -> None:
    """Writes the lines: in colour on a terminal (unless NO_COLOR is set), else as they are."""
    if not _is_terminal(out):
        for each in lines:
            put(out, each.plain.rstrip())
        return
    console = Console(file=out, highlight=False, soft_wrap=False)
    for each in lines:
        console.print(each)


def folded(text: str, width: int, style: str = "", indent: str = "") -> list[Text]:
    """A sentence over as many lines as it needs, each indented; a word that is longer than a line is cut apart."""
    room = max(width - cell_len(indent), 1)
    wrapped = Text(text, overflow="fold").wrap(Console(file=StringIO(), width=room), room)
    return [line(Text(f"{indent}{each.plain}".rstrip(), style=style)) for each in wrapped]


def _is_terminal(out: TextIO) -> bool:
    return bool(getattr(out, "isatty", lambda: False)())
