"""The local state file: opened, guarded by a lock, its errors told in one line."""

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lgtm_deploy.core.errors import JournalBusyError, JournalError
from lgtm_deploy.private import make_private

VERSION = 3

# Pages after which the log is taken over into the file and begun anew. A log this short is soon written over instead of
# growing: its commits leave the file's size alone, and so wait for less of what others write to the same file system.
_LOG_PAGES = 64

_TABLES = """
CREATE TABLE records (
    run TEXT NOT NULL, seq INTEGER NOT NULL, line TEXT NOT NULL, PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE runs (
    run TEXT PRIMARY KEY, plan TEXT NOT NULL, environment TEXT NOT NULL, started_by TEXT NOT NULL,
    started TEXT NOT NULL, finished TEXT, verdict TEXT NOT NULL DEFAULT '', seconds REAL NOT NULL DEFAULT 0
);
CREATE INDEX runs_by_start ON runs (started);
CREATE TABLE locks (
    environment TEXT PRIMARY KEY, fence INTEGER NOT NULL, run TEXT, holder TEXT, since TEXT, process TEXT
) WITHOUT ROWID;
"""
# Seconds on the kernel's clock when the holder last gave a sign of life, the time of day then, and how long it counts.
_LEASES = """
ALTER TABLE locks ADD COLUMN renewed REAL;
ALTER TABLE locks ADD COLUMN renewed_at TEXT;
ALTER TABLE locks ADD COLUMN lease REAL;
"""
# Who wishes the holder to stop.
_WISHES = """
ALTER TABLE locks ADD COLUMN cancelled_by TEXT;
"""
_STEPS = {0: _TABLES + _LEASES + _WISHES, 1: _LEASES + _WISHES, 2: _WISHES}

_FREE_SPACE = "Free some space, then apply again to go on."
# https://www.sqlite.org/fileformat2.html: the smallest page there is. SQLite takes a shorter file for a new one.
_SMALLEST = 512
_RESTORE = "Move it away and start a new one, or restore a copy; do not edit it."
# https://www.sqlite.org/rescode.html: the low byte is the kind, what is above it the detail.
_TOLD: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", _FREE_SPACE),
    sqlite3.SQLITE_IOERR: ("reading or writing failed (full disk, file size limit or bad device)", _FREE_SPACE),
    sqlite3.SQLITE_READONLY: ("it is read-only", "Make it writable, or name another `state`."),
    sqlite3.SQLITE_PERM: ("access is denied", "Make it writable, or name another `state`."),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "Make its folder writable, or name another `state`."),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("it is damaged, or no journal at all", _RESTORE),
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# Seconds between two looks whether another process still opens the file.
_LOOK = 0.05


class Database:
    """One SQLite file for journal and lock, safe to share between threads; opened when first used.

    Every write is synchronised before `writing` returns (WAL, synchronous=FULL: one sync of the log a commit).
    `patience` is how many seconds to wait for another process that writes.
    """

    def __init__(self, path: Path, *, patience: float = 10.0) -> None:
        self.path = path
        self._patience = patience
        self._turn = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for reading what is committed. Raises JournalError."""
        with self._turn, self._translated():
            yield self._opened()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection inside a transaction that is on disk when the block ends, or undone when it raises.

        Raises JournalError.
        """
        with self._turn, self._translated():
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        make_private(self.path.parent)
        with self._alone():
            self._create()
            self._check_length()
            connection = sqlite3.connect(
                self.path, timeout=self._patience, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            return connection

    def _create(self) -> None:
        # SQLite gives its -wal and -shm files the mode of the file itself. A file that exists is not opened here:
        # closing it again would drop the locks that SQLite holds on it in this process
        # (https://www.sqlite.org/howtocorrupt.html, 2.2).
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _check_length(self) -> None:
        """Raises JournalError for a file of which too little is left for SQLite to see that it was ever a journal."""
        length = self.path.stat().st_size
        log = self.path.with_name(f"{self.path.name}-wal")
        if 0 < length < _SMALLEST or (length == 0 and log.exists() and log.stat().st_size > 0):
            raise JournalError(f"The journal {self.path} cannot be used: it is cut off.", resolution=_RESTORE)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_LOG_PAGES}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise JournalError(
                f"The journal {self.path} was written by a newer lgtm-deploy (version {version} of the file).",
                resolution="Use that one, or a newer one.",
            )
        if version < VERSION:
            connection.executescript(f"BEGIN IMMEDIATE; {_STEPS[version]} PRAGMA user_version={VERSION}; COMMIT;")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One opener at a time: turning a new file into WAL mode fails at once when another process does the same."""
        handle = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        end = time.monotonic() + self._patience
        try:
            while not _is_taken(handle):
                if time.monotonic() >= end:
                    raise self._busy()
                time.sleep(_LOOK)
            yield
        finally:
            os.close(handle)

    def _busy(self) -> JournalBusyError:
        return JournalBusyError(
            f"The journal {self.path} cannot be used: another process keeps it busy.",
            resolution="Try again; let a lgtm-deploy that was stopped amid a write go on (`fg`), or end it.",
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in _BUSY:
                raise self._busy() from error
            what, advice = _TOLD.get(code, (f"{error}"[:80], ""))
            raise JournalError(f"The journal {self.path} cannot be used: {what}.", resolution=advice) from error
        except OSError as error:
            raise JournalError(
                f"The journal {self.path} cannot be used: {error.strerror or error}.",
                resolution="Make it and its folder writable, or name another `state`.",
            ) from error


def _is_taken(handle: int) -> bool:
    """Whether the lock on that open folder is this process's now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
