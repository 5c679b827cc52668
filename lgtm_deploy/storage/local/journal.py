"""What happened, kept on this machine."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import singledispatch
from pathlib import Path

from lgtm_deploy.core.event import Event, Record, RunFinished, RunResumed, RunStarted
from lgtm_deploy.core.lease import lost
from lgtm_deploy.core.ports import RunSummary
from lgtm_deploy.core.wire import decode, encode, moment
from lgtm_deploy.storage.local.database import Database


class LocalJournal:
    """A journal in one SQLite file (mode 0600), for one machine. Safe to use from several threads and processes.

    Times are kept to the millisecond.
    """

    def __init__(self, path: Path, *, patience: float = 10.0) -> None:
        self._database = Database(path, patience=patience)

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Writes the events with one commit, on disk when it returns.

        Raises LockLostError when a higher fence has been handed out, and JournalError; then none is written.
        """
        if not events:
            return ()
        with self._database.writing() as connection:
            _guard(connection, run, fence, events)
            return write(connection, run, fence, events)

    def records(self, run: str) -> Sequence[Record]:
        """All of a run's records in order; empty when there is no such run. Raises JournalError."""
        with self._database.reading() as connection:
            lines = connection.execute("SELECT line FROM records WHERE run = ? ORDER BY seq", (run,)).fetchall()
        return tuple(decode(line) for (line,) in lines)

    def runs(self, limit: int, environment: str = "") -> Sequence[RunSummary]:
        """The newest runs first, of that environment alone where it is named. Raises JournalError.

        Reads the list of runs only, not their events. The newest is the one that was written last: a clock may be set.
        """
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT run, plan, environment, started_by, started, finished, verdict, seconds"
                " FROM runs WHERE ?1 IN ('', environment) ORDER BY rowid DESC LIMIT ?2",
                (environment, max(limit, 0)),
            ).fetchall()
        return tuple(
            RunSummary(
                run=run,
                plan=plan,
                environment=environment,
                by=by,
                started=datetime.fromisoformat(started),
                finished=datetime.fromisoformat(finished) if finished else None,
                verdict=verdict,
                seconds=seconds,
            )
            for run, plan, environment, by, started, finished, verdict, seconds in rows
        )

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        self._database.close()


def write(connection: sqlite3.Connection, run: str, fence: int, events: Sequence[Event]) -> tuple[Record, ...]:
    """Adds the events to the run, inside the caller's transaction, whatever the fence."""
    (last,) = connection.execute("SELECT max(seq) FROM records WHERE run = ?", (run,)).fetchone()
    records = tuple(
        Record(seq=seq, run=run, fence=fence, event=event) for seq, event in enumerate(events, start=(last or 0) + 1)
    )
    connection.executemany(
        "INSERT INTO records (run, seq, line) VALUES (?, ?, ?)",
        [(run, record.seq, encode(record)) for record in records],
    )
    for event in events:
        _list(event, run, connection)
    return records


def _guard(connection: sqlite3.Connection, run: str, fence: int, events: Sequence[Event]) -> None:
    """Refuses a writer whose environment was taken over."""
    row = connection.execute("SELECT environment FROM runs WHERE run = ?", (run,)).fetchone()
    environment = row[0] if row else next((each.environment for each in events if isinstance(each, RunStarted)), "")
    highest = connection.execute("SELECT fence, run FROM locks WHERE environment = ?", (environment,)).fetchone()
    if highest is not None and fence < highest[0]:
        raise lost(environment, run, highest[1] or "")


@singledispatch
def _list(event: Event, run: str, connection: sqlite3.Connection) -> None:
    """Keeps the list of runs up to date; most events do not change it."""


@_list.register
def _(event: RunStarted, run: str, connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO runs (run, plan, environment, started_by, started) VALUES (?, ?, ?, ?, ?)",
        (run, event.plan, event.environment, event.by, moment(event.at)),
    )


@_list.register
def _(event: RunResumed, run: str, connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE runs SET started_by = ?, finished = NULL, verdict = '' WHERE run = ?", (event.by, run))


@_list.register
def _(event: RunFinished, run: str, connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE runs SET finished = ?, verdict = ?, seconds = ? WHERE run = ?",
        (moment(event.at), event.verdict, event.seconds, run),
    )
