"""What a plan would change, for a person who decides."""

from collections.abc import Iterator
from typing import TextIO

from rich.cells import cell_len
from rich.text import Text

from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.words import grouped
from lgtm_deploy.render.sheet import cell, folded, line, show, within
from lgtm_deploy.render.text import clean, short, tabled

_LONGEST_NAME = 37
_INDENT = " " * 6
_MARGIN = " " * 4
_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def print_preview(preview: Preview, out: TextIO) -> None:
    """Writes what would change."""
    show(lambda width: preview_lines(preview, width), out)


def preview_lines(preview: Preview, width: int) -> list[Text]:
    """What would change, step by step, in lines of at most `width` cells."""
    return within(_lines(preview, width), width)


def _lines(preview: Preview, width: int) -> Iterator[Text]:
    where = clean(preview.heading) or f"{clean(preview.plan)} on {clean(preview.environment)}"
    if preview.base_images:
        yield line(cell("base images", width, "bold"))
        for told in grouped(preview.base_images):
            yield from _told(told, width)
    for finding in preview.findings:
        yield line(cell(clean(finding.step), width, "bold"))
        for told in finding.lines:
            yield from _told(told, width)
    if not preview.changes:
        yield line(cell(f"{where}: nothing to change.", width, "bold"))
        yield from _left(preview, width)
        return
    yield line(cell(f"{where} would change:", width, "bold"))
    names = max(cell_len(clean(each.step)) for each in preview.lines)
    name_width = min(names, _LONGEST_NAME, max(width // 2, 4))
    room = max(width - name_width - 4, 1)
    phase = ""
    for each in preview.lines:
        if each.phase != phase:
            phase = each.phase
            yield line(cell(clean(phase), width, "dim"))
        first, *more = folded(short(each.change), room) or [Text()]
        yield line(" ", cell(clean(each.step), name_width, "bold"), "", first)
        for rest in more:
            yield line(" ", cell("", name_width), "", rest)
        for detail in each.details:
            yield from _detail(detail, width)
    if preview.unchanged:
        unchanged = ", ".join(clean(step) for step in preview.unchanged)
        yield from folded(f"Nothing to do for: {unchanged}", width, "dim")
    yield from _left(preview, width)


def _left(preview: Preview, width: int) -> Iterator[Text]:
    for left in preview.left:
        yield from folded(f"Left as is: {short(left)}", width, "yellow")


def _told(told: str, width: int) -> Iterator[Text]:
    """A row of a table as it is, where it has the room; everything else as a sentence."""
    row = tabled(told)
    if cell_len(row) + len(_MARGIN) <= width:
        yield Text(f"{_MARGIN}{row}")
    else:
        first, *more = folded(short(told), max(width - 2, 1), indent=_MARGIN) or [Text()]
        yield first
        yield from (line(Text(" "), each) for each in more)


def _detail(detail: str, width: int) -> Iterator[Text]:
    said = short(detail)
    style = _STYLES.get(said[:1], "dim")
    first, *more = folded(said, max(width - 2, 1), style, _INDENT) or [Text()]
    yield first
    # What goes on in a second line stands a little further in, so that it is not taken for another detail.
    yield from (line(Text(" "), each) for each in more)
