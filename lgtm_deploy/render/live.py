"""A run for a person at a terminal: a table that keeps up."""

import threading
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Self, TextIO

from rich.console import Group
from rich.live import Live
from rich.text import Text

from lgtm_deploy.core.event import Record, RunFinished
from lgtm_deploy.core.ports import Clock
from lgtm_deploy.core.run import Run
from lgtm_deploy.render.rows import rows
from lgtm_deploy.render.sheet import cell, columns, folded, line, terminal, within
from lgtm_deploy.render.text import (
    availability_lines,
    clean,
    difference_lines,
    left_lines,
    stopwatch,
    verdict_line,
    verdict_style,
)

# What is said below the table while something goes wrong, in lines.
_MOST_TROUBLE = 4
# The final table may be longer than the screen, but not endless.
_MOST_ROWS_AT_THE_END = 60
_BOTH_MARGINS = 2


class LiveTable:
    """Draws the run a few times a second, from a thread of its own, so that drawing never delays the run.

    Use it as a context manager, or call `close`: the cursor is back afterwards; the last table and the verdict stay.
    """

    def __init__(self, out: TextIO, clock: Clock, *, seconds_per_frame: float = 0.25) -> None:
        self._console = terminal(out)
        self._clock = clock
        self._seconds_per_frame = seconds_per_frame
        self._run: Run | None = None
        self._live: Live | None = None
        self._drawn = (0, 0)
        self._notice = ""
        self._stopping = threading.Event()
        self._painter = threading.Thread(target=self._paint, name="live-table", daemon=True)

    def __call__(self, run: Run, record: Record) -> None:
        """Takes note of the run; the next frame shows it. The last event ends the drawing."""
        self._run = run
        if not self._painter.ident and not self._stopping.is_set():
            self._painter.start()
        if isinstance(record.event, RunFinished):
            self.close()

    def notice(self, text: str) -> None:
        """Shows a sentence below the table from the next frame on. Safe to call in a signal handler."""
        self._notice = text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops drawing, gives the cursor back and leaves the last table and the verdict. Harmless when repeated."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._painter.ident:
            self._painter.join()
        if self._live:
            self._live.stop()
        if self._run:
            for each in last_view(self._run, self._clock.now(), columns(self._console)):
                self._console.print(each)

    def _paint(self) -> None:
        # A frame that cannot be drawn ends the drawing, never the run; `close` still tells how it ended.
        with suppress(Exception):
            self._paint_until_closed()

    def _paint_until_closed(self) -> None:
        while not self._stopping.wait(self._seconds_per_frame if self._live else 0):
            if self._run is None:
                continue
            lines = view(self._run, self._clock.now(), columns(self._console), self._console.height, self._notice)
            self._start_afresh_when_too_small()
            if self._live is None:
                # Transient: the frame is taken away at the end, for the last view to take its place.
                self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
                self._live.start()
            self._live.update(Group(*lines), refresh=True)
            self._drawn = (max(each.cell_len for each in lines), len(lines))

    def _start_afresh_when_too_small(self) -> None:
        # A terminal that became smaller than the last frame has wrapped or moved its lines.
        width, height = self._drawn
        if self._live and (width > self._console.width or height > self._console.height):
            self._live.stop()
            self._console.clear()
            self._live = None


def view(run: Run, now: datetime, width: int, height: int, notice: str = "") -> list[Text]:
    """One frame: what runs where, the steps, and what is going wrong; never larger than `width` by `height`."""
    trouble = _trouble(run, width)[: max(height - 6, 0)]
    budget = max(height - len(trouble) - _BOTH_MARGINS - 1, 1)
    # Where the terminal echoes ^C: a line of its own, short enough not to wrap.
    stop = "a rollback is not stopped by Ctrl-C" if run.rolling_back else "Ctrl-C stops at the next safe point"
    lines = [
        line(cell(_headline(run, now), width, "bold")),
        *rows(run, now, width, budget),
        *trouble,
        line(cell(notice or stop, width, "bold" if notice else "dim")),
    ]
    return within(lines[: max(height - 1, 1)], width)


def last_view(run: Run, now: datetime, width: int) -> list[Text]:
    """What stays on the terminal: the steps, what is not as it was found, and the verdict with its reason.

    A run that is not at its end, but interrupted by a question to the reader, has no verdict yet.
    """
    lines = [
        line(cell(_headline(run, run.finished or now), width, "bold")),
        *rows(run, run.finished or now, width, _MOST_ROWS_AT_THE_END),
        *(each for told in availability_lines(run.availability) for each in folded(told, width)),
        *(each for left in left_lines(run) for each in folded(left, width, "yellow")),
        *(each for difference in difference_lines(run) for each in folded(difference, width, "red")),
        *(folded(verdict_line(run), width, verdict_style(run)) if run.verdict else ()),
    ]
    return within(lines, width)


def _headline(run: Run, now: datetime) -> str:
    done = sum(1 for step in run.steps.values() if step.finished)
    elapsed = stopwatch((now - run.started).total_seconds()) if run.started else ""
    return (
        f"{clean(run.plan)} on {clean(run.environment)}   {done} of {len(run.steps)} steps   {elapsed}"
        f"   run {clean(run.id)}"
    )


def _trouble(run: Run, width: int) -> list[Text]:
    if not run.reason or run.verdict is not None:
        return []
    said = f"rolling back: {clean(run.reason)}" if run.rolling_back else clean(run.reason)
    lines = folded(said, width, "bold yellow")
    return [*lines[: _MOST_TROUBLE - 1], line("…")] if len(lines) > _MOST_TROUBLE else lines
