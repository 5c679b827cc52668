"""The run as it is written down: journal first, then the fold, then whoever listens."""

from collections.abc import Callable, Sequence

from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.ports import Journal
from lgtm_deploy.core.run import Run

Listener = Callable[[Run, Record], None]
Entries = Sequence[tuple[Event, Run]]
"""Events as they are written down, each with the run up to it."""


class Ledger:
    """The only writer of a run's journal and caller of its listeners. One thread at a time notes, and one at a time
    commits; these may be two (engine/drive.py).

    `run` is what the journal tells of it so far. Secret values are in this process's own run alone: the journal and the
    listeners have their masks.
    """

    def __init__(
        self,
        run: Run,
        journal: Journal,
        fence: int,
        listeners: Sequence[Listener] = (),
        masks: Masks = Masks(),  # noqa: B008 - frozen
    ) -> None:
        self.run = masks.unmasked(run)
        self.masks = masks
        self._told = run
        self._journal = journal
        self.fence = fence
        self._listeners = list(listeners)
        self._noted: list[tuple[Event, Run]] = []

    def note(self, *events: Event) -> None:
        """Takes the events into the fold; they are neither on disk nor announced before `write`."""
        for event in events:
            self.run = self.run.folded([event])
            told = self.masks.masked(event)
            self._told = self.run if told is event else self._told.folded([told])
            self._noted.append((told, self._told))

    def write(self, *events: Event) -> None:
        """Puts what was noted and these events on disk together, then announces them. Raises JournalError."""
        self.note(*events)
        self.commit(self.taken())

    @property
    def noted(self) -> bool:
        """Whether there is something that is not on its way to the disk."""
        return bool(self._noted)

    def taken(self) -> Entries:
        """What was noted since this was called last, to be committed in this order."""
        noted, self._noted = self._noted, []
        return noted

    def commit(self, noted: Entries) -> None:
        """Puts it on disk together, then announces it. Raises JournalError."""
        if not noted:
            return
        records = self._journal.append(self.run.id, self.fence, [event for event, _ in noted])
        for record, (_, run) in zip(records, noted, strict=True):
            self._announce(run, record)

    def _announce(self, run: Run, record: Record) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(run, record)
            except Exception:  # a renderer's broken pipe must never fail a deployment
                self._listeners.remove(listener)
