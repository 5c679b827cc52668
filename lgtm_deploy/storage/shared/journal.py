"""What happened, kept where everybody sees it."""

import json
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from lgtm_deploy.core.errors import DeployError, JournalError
from lgtm_deploy.core.event import Event, LockTakenOver, Record, RunFinished, RunResumed, RunStarted
from lgtm_deploy.core.lease import lost
from lgtm_deploy.core.ports import ObjectStore, RunSummary
from lgtm_deploy.core.summary import summarised
from lgtm_deploy.core.task_group import side_by_side
from lgtm_deploy.core.wire import decode, encode, moment
from lgtm_deploy.storage.shared.reading import SCHEMA, damaged, read
from lgtm_deploy.storage.shared.writing import Pause, Writer, answered, usable

GivenT = TypeVar("GivenT")
FoundT = TypeVar("FoundT")

_AT_ONCE = 16
# Milliseconds since 1970 fall to 0 in the year 2286: a name that is smaller the later it was made.
_END = 10**13
_LISTED = (RunResumed, RunFinished)


@dataclass(frozen=True, kw_only=True)
class _End:
    """Where a run's journal ends: the number that comes next, and the fence of what stands before it."""

    next: int = 1
    fence: int = 0
    environment: str = ""
    by: str = ""


class SharedJournal:
    """A journal of objects that are created and never replaced, one for each append.

    Its name has the number of the first record in it: of two writers that have read the same past only one can go on.
    A list of runs stands beside it, a name for each run, the newest first: of two runs of one environment, the one that
    was listed later, whatever the clocks say of those that began them.
    """

    def __init__(self, objects: ObjectStore, *, pause: Pause = time.sleep) -> None:
        self._objects = objects
        self._writer = Writer(objects, pause=pause)
        self._me = secrets.token_hex(8)
        self._ends: dict[str, _End] = {}
        self._places: dict[str, str] = {}
        """Runs -> their names in the list."""

    def append(self, run: str, fence: int, events: Sequence[Event]) -> Sequence[Record]:
        """Writes the events as one object.

        Raises LockLostError; then none of them is there. Raises JournalError when the store stays silent: then nobody
        knows whether they arrived, all or none.
        """
        if not events:
            return ()
        # Listed before it begins and told of its end after it: the list may lag, but no run that acts is missing in it.
        began = isinstance(events[0], RunStarted)
        if isinstance(events[0], RunStarted):
            self._known_end(run, fence)
            self._writer.create(self._place(run, events[0]), _line(summarised(None, run, events[:1]), seq=0))
        records = self._append(run, fence, events)
        if any(isinstance(event, _LISTED) for event in events[began:]):
            # They are there, whether the list is told of it or not.
            with suppress(DeployError):
                self._update(run, records)
        return records

    def close_for(self, run: str, fence: int, last: Event) -> None:
        """Ends what writers with a lower fence may write to this run: they all would have to write this name."""
        self._append(run, fence, [last])
        # Its writer may have died before it told the list of the run's end. Who takes over does not depend on it.
        with suppress(DeployError):
            latest = self._latest(self._names(run))
            if any(isinstance(record.event, _LISTED) for record in latest):
                self._update(run, latest)

    def records(self, run: str) -> Sequence[Record]:
        """All of a run's records in order; empty when there is no such run.

        Raises JournalError, also when objects are missing between others or are damaged.
        """
        with answered(f"run {run}"):
            found = tuple(
                record for records in side_by_side(self._read, self._names(run), threads=_AT_ONCE) for record in records
            )
        for number, record in enumerate(found, start=1):
            if record.seq != number:
                raise JournalError(
                    f"Records {number} to {record.seq - 1} of run {run} are missing in the shared state.",
                    resolution=f"Restore the objects under runs/{run}/ from a copy: nothing may be removed there.",
                )
        return found

    def runs(self, limit: int, environment: str = "") -> Sequence[RunSummary]:
        """The newest runs first, of that environment alone where it is named. Raises JournalError."""
        with answered("the list of runs"):
            # Most runs are of the environment that is asked for, or all environments are asked for.
            names = self._objects.names("index/", limit=None if environment else max(limit, 0))
            wanted = (name for name in names if environment in ("", _environment(name)))
            found = side_by_side(self._summary, list(islice(wanted, max(limit, 0))), threads=_AT_ONCE)
            return tuple(summary for summary in found if summary is not None)

    # -- one run -------------------------------------------------------------------------------------------------------
    def _append(self, run: str, fence: int, events: Sequence[Event]) -> tuple[Record, ...]:
        while True:
            end = self._known_end(run, fence)
            records = tuple(
                Record(seq=seq, run=run, fence=fence, event=event) for seq, event in enumerate(events, start=end.next)
            )
            if self._writer.create(_name(run, end.next), self._body(records)) is not None:
                self._ends[run] = _End(next=end.next + len(records), fence=fence)
                return records
            # Somebody else has written that: look where the run ends now.
            self._ends.pop(run, None)

    def _known_end(self, run: str, fence: int) -> _End:
        """Where it ends, which may have changed since it was looked at. Raises LockLostError when one with that fence
        may not write there any more."""
        with usable(f"run {run}"):
            end = self._ends.get(run) or self._end(run)
        if end.fence > fence:
            self._ends.pop(run, None)
            raise lost(end.environment or "its environment", run, end.by)
        self._ends[run] = end
        return end

    def _body(self, records: Sequence[Record]) -> bytes:
        # A body like no other writer's, so that one which arrived and was not answered is known again.
        head = json.dumps({"schema": SCHEMA, "writer": self._me, "sent": secrets.token_hex(4), "records": len(records)})
        return "\n".join([head, *map(encode, records), ""]).encode()

    def _names(self, run: str) -> Sequence[str]:
        return self._objects.names(f"runs/{run}/")

    def _end(self, run: str) -> _End:
        names = self._names(run)
        return self._end_of(names[-1]) if names else _End()

    def _end_of(self, name: str) -> _End:
        last = self._read(name)[-1]
        event = last.event
        return _End(
            next=last.seq + 1,
            fence=last.fence,
            environment=getattr(event, "environment", ""),
            by=getattr(event, "to_run", ""),
        )

    def _read(self, name: str) -> tuple[Record, ...]:
        found = self._objects.get(name)
        if found is None:
            raise JournalError(f"{name} was in the journal's list and is gone.", resolution="Nothing may be removed.")
        try:
            head, *lines = found.body.decode().splitlines()
            expected = json.loads(head).get("records", len(lines))
        except (ValueError, AttributeError) as error:
            raise damaged(name) from error
        if not lines or len(lines) != expected:
            raise damaged(name)
        return tuple(decode(line) for line in lines)

    # -- the list of runs ----------------------------------------------------------------------------------------------
    def _place(self, run: str, began: RunStarted) -> str:
        """The name in the list for a run that begins now, and so after all that are listed of its environment."""
        with answered("the list of runs"):
            names = self._objects.names("index/")
        newest = next((name for name in names if _environment(name) == began.environment), "")
        if not newest.endswith(f".{run}"):
            time = _END - int(began.at.timestamp() * 1000)
            newest = f"index/{min(time, _time(newest) - 1) if newest else time:013d}.{began.environment}.{run}"
        self._places[run] = newest
        return newest

    def _listed(self, run: str) -> str:
        """The run's name in the list; empty when it has none."""
        if run not in self._places:
            names = self._objects.names("index/")
            self._places[run] = next((name for name in names if name.endswith(f".{run}")), "")
        return self._places[run]

    def _update(self, run: str, records: Sequence[Record]) -> None:
        with usable(f"run {run}"):
            name = self._listed(run)
            while name and (found := self._objects.get(name)):
                known = _known(name, found.body)
                if known["seq"] >= records[-1].seq:
                    return
                summary = summarised(_parsed(known), run, (record.event for record in records))
                if self._writer.replace(name, _line(summary, seq=records[-1].seq), found.tag) is not None:
                    return

    def _summary(self, name: str) -> RunSummary | None:
        found = self._objects.get(name)
        summary = _parsed(_known(name, found.body)) if found else None
        if summary is None or summary.verdict:
            return summary
        # It goes on, or ended so suddenly that the list was not told: its journal knows.
        latest = self._latest(self._names(summary.run))
        return summarised(summary, summary.run, (record.event for record in latest)) if latest else None

    def _latest(self, names: Sequence[str]) -> tuple[Record, ...]:
        """What a run's own processes have written last; nothing when it lost its environment before it began. Others
        write there that they have taken it over."""
        for name in reversed(names):
            records = self._read(name)
            if not all(isinstance(record.event, LockTakenOver) for record in records):
                return records
        return ()


def _name(run: str, first: int) -> str:
    return f"runs/{run}/{first:010d}"


def _time(listed: str) -> int:
    return int(listed.removeprefix("index/").partition(".")[0])


def _environment(listed: str) -> str:
    return listed.split(".")[1]


def _line(summary: RunSummary | None, *, seq: int) -> bytes:
    """`seq` is the last record that the line tells of."""
    if summary is None:
        raise ValueError("a run that has not begun is not listed")
    written: dict[str, Any] = asdict(summary) | {"schema": SCHEMA, "seq": seq, "started": moment(summary.started)}
    written["finished"] = moment(summary.finished) if summary.finished else None
    return json.dumps(written).encode()


def _known(name: str, body: bytes) -> dict[str, Any]:
    """A line of the list as it is written. Raises JournalError."""
    try:
        known = read(name, body)
        _parsed(known)
    except (ValueError, KeyError, TypeError) as error:
        raise damaged(name) from error
    return known


def _parsed(written: dict[str, Any]) -> RunSummary:
    values = {name: written[name] for name in RunSummary.__dataclass_fields__}
    finished = values["finished"]
    return RunSummary(
        **values
        | {
            "started": datetime.fromisoformat(values["started"]),
            "finished": datetime.fromisoformat(finished) if finished else None,
        }
    )
