"""Who may change an environment, among the processes of this machine."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lgtm_deploy.core import lease as leases
from lgtm_deploy.core.event import LockTakenOver
from lgtm_deploy.core.ports import Clock, Lease, LockHolder
from lgtm_deploy.core.wire import moment
from lgtm_deploy.storage.local import journal
from lgtm_deploy.storage.local.database import Database
from lgtm_deploy.storage.process import Process


@dataclass(frozen=True, kw_only=True)
class _Held:
    holder: LockHolder
    process: Process
    over: float
    """On the kernel's clock: when its lease ends."""


class LocalLock:
    """One holder per environment, in the journal's own file.

    A holder whose process has ended is taken over at once; one whose process runs is not; one that is stopped, or that
    cannot be seen from this container, is when its lease has been over for `grace` seconds. The fence grows by one with
    each take and is never used again.
    """

    look_seconds = 1.0

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        seconds: float = leases.LEASE_SECONDS,
        grace: float = leases.CALL_SECONDS,
        patience: float = 10.0,
        process: Callable[[], Process] = Process.this,
    ) -> None:
        self._database = Database(path, patience=patience)
        self._clock = clock
        self._seconds = seconds
        self._grace = grace
        self._process = process

    def take(self, environment: str, run: str, holder: str) -> Lease:
        """Takes the environment.

        Raises LockHeldError when another holder counts, this process included; JournalError when the file is unusable.
        """
        now, monotonic = self._clock.now(), self._clock.monotonic()
        with self._database.writing() as connection:
            held = _held(connection, environment)
            reason = self._why_takeable(held, monotonic) if held else ""
            if held and not reason:
                raise leases.refusal(held.holder, now, grace=self._grace)
            ((fence,),) = connection.execute(
                "INSERT INTO locks (environment, fence, run, holder, since, process, renewed, renewed_at, lease)"
                " VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (environment) DO UPDATE SET fence = fence + 1, run = excluded.run,"
                " holder = excluded.holder, since = excluded.since, process = excluded.process,"
                " renewed = excluded.renewed, renewed_at = excluded.renewed_at, lease = excluded.lease,"
                " cancelled_by = NULL RETURNING fence",
                (environment, run, holder, moment(now), str(self._process()), monotonic, moment(now), self._seconds),
            ).fetchall()
            takeover = None
            if held:
                takeover = self._tell(connection, held.holder, fence, run=run, holder=holder, reason=reason)
        return Lease(
            environment=environment,
            run=run,
            holder=holder,
            fence=fence,
            seconds=self._seconds,
            takeover=takeover,
        )

    def renew(self, lease: Lease) -> None:
        """Lets the lease last its time again. Raises LockLostError, and JournalError when the file is unusable."""
        with self._database.writing() as connection:
            renewed = connection.execute(
                "UPDATE locks SET renewed = ?, renewed_at = ? WHERE environment = ? AND fence = ? AND run = ?",
                (
                    self._clock.monotonic(),
                    moment(self._clock.now()),
                    lease.environment,
                    lease.fence,
                    lease.run,
                ),
            )
            if not renewed.rowcount:
                held = _held(connection, lease.environment)
                raise leases.lost(lease.environment, lease.run, held.holder.run if held else "")

    def release(self, lease: Lease) -> None:
        """Gives the environment back; nothing happens when it is not this lease's any more."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE locks SET run = NULL, holder = NULL, since = NULL, process = NULL"
                " WHERE environment = ? AND fence = ? AND run = ?",
                (lease.environment, lease.fence, lease.run),
            )

    def holder(self, environment: str) -> LockHolder | None:
        """Who holds the environment; None when nobody does, or when the holder's process has ended."""
        with self._database.reading() as connection:
            held = _held(connection, environment)
        return None if held is None or held.process.is_gone_from_this_machine() else held.holder

    def break_(self, environment: str, run: str, by: str) -> LockHolder:
        """Takes the environment from that run for nobody. Raises NotFoundError, LockHeldError and JournalError."""
        with self._database.writing() as connection:
            held = _held(connection, environment)
            if held is None:
                raise leases.nobody(environment)
            if held.holder.run != run:
                raise leases.other_run(held.holder, run)
            connection.execute(
                "UPDATE locks SET fence = fence + 1, run = NULL, holder = NULL, since = NULL, process = NULL"
                " WHERE environment = ?",
                (environment,),
            )
            self._tell(connection, held.holder, held.holder.fence + 1, run="", holder=by, reason=f"unlocked by {by}")
        return held.holder

    def cancel(self, environment: str, run: str, by: str) -> LockHolder:
        """Leaves a wish that the run stop. Raises NotFoundError, LockHeldError and JournalError."""
        with self._database.writing() as connection:
            held = _held(connection, environment)
            if held is None or held.process.is_gone():
                raise leases.nobody(environment)
            if held.holder.run != run:
                raise leases.other_run(held.holder, run)
            connection.execute("UPDATE locks SET cancelled_by = ? WHERE environment = ?", (by, environment))
        return held.holder

    def cancelled(self, lease: Lease) -> str:
        """Who wishes this lease's run to stop. Raises JournalError when the file is unusable."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT cancelled_by FROM locks WHERE environment = ? AND fence = ? AND run = ?",
                (lease.environment, lease.fence, lease.run),
            ).fetchone()
        return (row[0] or "") if row else ""

    def close(self) -> None:
        """Closes the file; the lock stays held. The next use opens it again."""
        self._database.close()

    def _why_takeable(self, held: _Held, monotonic: float) -> str:
        """Why the environment can be taken from its holder; empty: it cannot."""
        if held.process.is_gone_from_this_machine():
            return leases.GONE
        if held.process.is_running() or not held.process.is_of_this_boot() or monotonic < held.over + self._grace:
            return ""
        return leases.OVER

    def _tell(
        self, connection: sqlite3.Connection, held: LockHolder, fence: int, *, run: str, holder: str, reason: str
    ) -> LockTakenOver:
        told = leases.takeover(held, at=self._clock.now(), fence=fence, run=run, holder=holder, reason=reason)
        begun = connection.execute("SELECT 1 FROM runs WHERE run = ?", (held.run,)).fetchone()
        if begun:
            journal.write(connection, held.run, fence, [told])
        return told


def _held(connection: sqlite3.Connection, environment: str) -> _Held | None:
    row = connection.execute(
        "SELECT run, holder, since, fence, process, renewed, renewed_at, lease"
        " FROM locks WHERE environment = ? AND run IS NOT NULL",
        (environment,),
    ).fetchone()
    if row is None:
        return None
    run, holder, since, fence, process, renewed, renewed_at, seconds = row
    # A lock that an older program holds has no lease: it ends with its process alone.
    over = renewed + seconds if renewed is not None else float("inf")
    holding = LockHolder(
        environment=environment,
        run=run,
        holder=holder,
        since=datetime.fromisoformat(since),
        ends=datetime.fromisoformat(renewed_at or since) + timedelta(seconds=seconds or 0.0),
        fence=fence,
    )
    return _Held(holder=holding, process=Process.parse(process), over=over)
