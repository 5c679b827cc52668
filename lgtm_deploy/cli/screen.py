"""What a run looks like while it runs: a live table, lines, or JSON."""

import os
import sys
from collections.abc import Callable
from typing import Protocol

from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.core.event import Record
from lgtm_deploy.core.ports import Clock
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.run import Run


class _Listener(Protocol):
    def __call__(self, run: Run, record: Record) -> None: ...


class Screen:
    """Shows a run on standard output, and steps aside for a question."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._make = _maker(settings, clock)
        self.for_programs = settings.output == "json"
        self._listener: _Listener | None = None

    def __call__(self, run: Run, record: Record) -> None:
        """Takes note of an event."""
        if self._listener is None:
            self._listener = self._make()
        self._listener(run, record)

    def preview(self, preview: Preview) -> None:
        """Shows what would change; programs that read JSON have the events for that."""
        self.close()
        if not self.for_programs:
            from lgtm_deploy.render.preview import print_preview

            print_preview(preview, sys.stdout)
            sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Says something at once, also from within a signal handler."""
        notice = getattr(self._listener, "notice", None)
        if notice is not None:
            notice(text)
        else:
            # Not a buffered stream: it may be in use right now.
            os.write(sys.stderr.fileno(), f"{text}\n".encode())

    def close(self) -> None:
        """Gives the terminal back. The next event takes it again."""
        close = getattr(self._listener, "close", None)
        if close is not None:
            close()
            self._listener = None


def _maker(settings: Settings, clock: Clock) -> Callable[[], _Listener]:
    def make() -> _Listener:
        if settings.output == "json":
            from lgtm_deploy.render.jsonl import JsonLines

            return JsonLines(sys.stdout)
        if settings.output == "live":
            from lgtm_deploy.render.live import LiveTable

            return LiveTable(sys.stdout, clock)
        from lgtm_deploy.render.plain import PlainLines

        return PlainLines(sys.stdout)

    return make
