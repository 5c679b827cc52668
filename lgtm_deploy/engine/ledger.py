"""The run as it is written down: journal first, then the fold, then whoever listens."""

from collections.abc import Callable, Sequence

from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.ports import Journal
from lgtm_deploy.core.run import Run

Listener = Callable[[Run, Record], None]


class Ledger:
    """The only writer of a run's journal and caller of its listeners; used from the coordinator's thread alone."""

    def __init__(self, run: Run, journal: Journal, fence: int, listeners: Sequence[Listener] = ()) -> None:
        self.run = run
        self._journal = journal
        self._fence = fence
        self._listeners = list(listeners)

    def write(self, *events: Event) -> None:
        """Puts the events on disk together, then announces them. Raises JournalError."""
        if not events:
            return
        for record in self._journal.append(self.run.id, self._fence, events):
            self.run = self.run.folded([record.event])
            self._announce(record)

    def _announce(self, record: Record) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(self.run, record)
            except Exception:  # a renderer's broken pipe must never fail a deployment
                self._listeners.remove(listener)
