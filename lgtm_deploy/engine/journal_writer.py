"""Writes a run's events: to the journal first, then to the listeners."""

from collections.abc import Callable, Sequence

from lgtm_deploy.core.event import Event, Record
from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.ports import Journal
from lgtm_deploy.core.run import Run

Listener = Callable[[Run, Record], None]


class JournalWriter:
    """The only writer of a run's journal and caller of its listeners. One thread uses it at a time.

    `run` folds the staged events, too. It alone holds secret values: the journal and the listeners get their masks.
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
        self.fence = fence
        self._masked = run
        self._journal = journal
        self._listeners = list(listeners)
        self._staged: list[tuple[Event, Run]] = []

    def stage(self, *events: Event) -> None:
        """Fold the events into the run; the next `commit` writes and announces them."""
        for event in events:
            self.run = self.run.folded([event])
            masked = self.masks.masked(event)
            self._masked = self.run if masked is event else self._masked.folded([masked])
            self._staged.append((masked, self._masked))

    def drain(self) -> Sequence[tuple[Event, Run]]:
        """Return the staged events, each with the run up to it, and forget them."""
        staged, self._staged = self._staged, []
        return staged

    def commit(self, *events: Event) -> None:
        """Stage the events, write all staged events with one fsync, then announce them. Raise JournalError."""
        self.stage(*events)
        staged = self.drain()
        if not staged:
            return
        records = self._journal.append(self.run.id, self.fence, [event for event, _ in staged])
        for record, (_, run) in zip(records, staged, strict=True):
            self._announce(run, record)

    def _announce(self, run: Run, record: Record) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(run, record)
            except Exception:  # a renderer's broken pipe must never fail a deployment
                self._listeners.remove(listener)
