"""Lines of cells of fixed width, for a terminal in colour and for a file without."""

from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any, TextIO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from lgtm_deploy.render.text import encodable, fitted, put

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


class _Forgiving:
    """A stream that writes `?` for what its encoding has no sign for, instead of failing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(encodable(text, self._out))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


def terminal(out: TextIO) -> Console:
    """A console on the stream: in colour on a terminal, unless NO_COLOR is set."""
    return Console(file=cast("TextIO", _Forgiving(out)), highlight=False)


def columns(console: Console) -> int:
    """How many cells a line may have: one less than the terminal has, as a full line may wrap when one types."""
    return max(console.width - 1, 1) if console.is_terminal else WIDTH


def show(lines: Callable[[int], Iterable[Text]], out: TextIO) -> None:
    """Writes lines made for the width that there is: styled on a terminal, else as they are."""
    console = terminal(out)
    for each in lines(columns(console)):
        if console.is_terminal:
            console.print(each)
        else:
            put(out, each.plain.rstrip())


def within(lines: Iterable[Text], width: int) -> list[Text]:
    """The lines, each cut to the width."""
    found = list(lines)
    for each in found:
        each.truncate(max(width, 1), overflow="ellipsis")
    return found


def folded(text: str, width: int, style: str = "", indent: str = "") -> list[Text]:
    """A sentence over as many lines as it needs, each indented; a word that is longer than a line is cut apart."""
    room = max(width - cell_len(indent), 1)
    wrapped = Text(text, overflow="fold").wrap(Console(file=StringIO(), width=room), room)
    return [line(Text(f"{indent}{each.plain}".rstrip(), style=style)) for each in wrapped]
