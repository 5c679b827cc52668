"""Who may change an environment, among the processes of this machine."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lgtm_deploy.core.errors import LockHeldError
from lgtm_deploy.core.ports import Clock, Holder
from lgtm_deploy.core.wire import moment
from lgtm_deploy.storage.local.database import Database
from lgtm_deploy.storage.local.process import Process


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A taken environment: by which run, for whom, since when and in which process."""

    environment: str
    run: str
    holder: str
    since: datetime
    fence: int
    process: Process


class LocalLock:
    """One holder per environment, in the journal's own file.

    A holder counts while its process lives: when that has ended on this machine, the next one takes over. Its fence
    grows by one with each take and is never used again.
    """

    def __init__(self, path: Path, clock: Clock, *, patience: float = 10.0) -> None:
        self._database = Database(path, patience=patience)
        self._clock = clock

    def take(self, environment: str, run: str, holder: str) -> int:
        """Takes the environment and returns the fencing token.

        Raises LockHeldError when a living process has it, this one included; JournalError when the file is unusable.
        """
        now = self._clock.now()
        with self._database.writing() as connection:
            held = _held(connection, environment)
            if held is not None and not held.process.is_gone():
                raise _refusal(held, now)
            ((fence,),) = connection.execute(
                "INSERT INTO locks (environment, fence, run, holder, since, process) VALUES (?, 1, ?, ?, ?, ?)"
                " ON CONFLICT (environment) DO UPDATE SET fence = fence + 1, run = excluded.run,"
                " holder = excluded.holder, since = excluded.since, process = excluded.process RETURNING fence",
                (environment, run, holder, moment(now), str(Process.this())),
            ).fetchall()
        return int(fence)

    def release(self, environment: str, run: str) -> None:
        """Gives the environment back, from whichever process; nothing happens when this run does not hold it."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE locks SET run = NULL, holder = NULL, since = NULL, process = NULL"
                " WHERE environment = ? AND run = ?",
                (environment, run),
            )

    def holder(self, environment: str) -> Holder | None:
        """Who holds the environment; None when nobody does, or when the holder's process has ended."""
        held = self.held(environment)
        return Holder(run=held.run, by=held.holder, since=held.since) if held else None

    def held(self, environment: str) -> Holding | None:
        """How the environment is held, as `holder` asks it, with fence and process."""
        with self._database.reading() as connection:
            held = _held(connection, environment)
        return None if held is None or held.process.is_gone() else held

    def close(self) -> None:
        """Closes the file; the lock stays held. The next use opens it again."""
        self._database.close()


def _held(connection: sqlite3.Connection, environment: str) -> Holding | None:
    row = connection.execute(
        "SELECT run, holder, since, fence, process FROM locks WHERE environment = ? AND run IS NOT NULL", (environment,)
    ).fetchone()
    if row is None:
        return None
    run, holder, since, fence, process = row
    return Holding(
        environment=environment,
        run=run,
        holder=holder,
        since=datetime.fromisoformat(since),
        fence=fence,
        process=Process.parse(process),
    )


def _refusal(held: Holding, now: datetime) -> LockHeldError:
    since = held.since.strftime("%H:%M" if held.since.date() == now.date() else "%Y-%m-%d %H:%M")
    return LockHeldError(
        f"Environment '{held.environment}' is locked by run {held.run} (since {since}, {held.holder}).",
        resolution=f"Wait for it, or run `lgtm-deploy unlock {held.environment} --run {held.run}`.",
    )
