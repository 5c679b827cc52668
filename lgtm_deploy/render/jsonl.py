"""A run for a program: one JSON object a line."""

from typing import TextIO

from lgtm_deploy.core.event import Record
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.wire import encode


class JsonLines:
    """Writes each record as its own line, at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, run: Run, record: Record) -> None:
        """Writes the record."""
        del run
        self._out.write(encode(record) + "\n")
        self._out.flush()
