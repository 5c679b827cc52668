"""How a record is written down: one JSON object, the same in the journal and in `--output json`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import EVENTS, SCHEMA, Event, Record

# What every line carries beside the event's own fields.
_ENVELOPE = frozenset({"event", "at", "run", "step", "schema", "seq", "fence"})


def moment(at: datetime) -> str:
    """A time as it is written: UTC, to the millisecond (rounded down), such as `2026-01-16T00:15:04.123Z`."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def encode(record: Record) -> str:
    """The record as one line of JSON, ASCII only and without a line break.

    Raises JournalError when it holds something that JSON has no form for.
    """
    try:
        return _ENCODER.encode(_as_object(record))
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        what = f"A {type(record.event).__name__} of '{record.event.step or record.run}'"
        raise JournalError(
            f"{what} cannot be written down: {error!r}.",
            resolution="This is a fault of the step that made it: inputs, outputs and what was seen must be JSON.",
        ) from error


def decode(line: str) -> Record:
    """The record that a line holds.

    Raises JournalError when the line is damaged, its event is unknown or its schema is newer than this program. Fields
    that are not known are passed over: adding one does not make a new schema.
    """
    try:
        written = json.loads(line)
        kind, schema = written["event"], written["schema"]
        if schema > SCHEMA:
            raise _newer(f"has schema {schema}; this program knows {SCHEMA}")
        form = _READABLE.get(kind)
        if form is None:
            raise _newer(f"is a {kind!r}, which this program does not know")
        return Record(seq=written["seq"], run=written["run"], fence=written["fence"], event=form.read(written))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise JournalError(
            f"A record of the journal is damaged ({error!r}): {line[:60]!r}.",
            resolution="Restore the journal from a copy; its other runs can still be shown.",
        ) from error


def _newer(what: str) -> JournalError:
    return JournalError(
        f"A record of the journal {what}.", resolution="Use the version of lgtm-deploy that wrote it, or a newer one."
    )


def _tuples(written: Mapping[str, list[str]]) -> Mapping[str, tuple[str, ...]]:
    return {key: tuple(each) for key, each in written.items()}


# JSON has no tuples and no times: how a field of these types is read back.
_READERS: Mapping[Any, Callable[[Any], Any]] = {
    datetime: datetime.fromisoformat,
    datetime | None: lambda written: datetime.fromisoformat(written) if written else None,
    tuple[str, ...]: tuple,
    Mapping[str, tuple[str, ...]]: _tuples,
}


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How one kind of event is written and read, found once from its fields."""

    kind: type[Event]
    own: tuple[str, ...]
    shared: tuple[str, ...]
    moments: tuple[str, ...]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    readers: tuple[tuple[str, Callable[[Any], Any]], ...]

    def read(self, written: Mapping[str, Any]) -> Event:
        values = {name: written[name] for name in self.required}
        for name in self.optional:
            if name in written:
                values[name] = written[name]
        for name, reader in self.readers:
            if name in values:
                values[name] = reader(values[name])
        return self.kind(**values)


def _form(kind: type[Event]) -> _Form:
    each = fields(kind)
    names = tuple(field.name for field in each)
    optional = {field.name for field in each if field.default is not MISSING or field.default_factory is not MISSING}
    return _Form(
        kind=kind,
        own=tuple(name for name in names if name not in _ENVELOPE),
        shared=tuple(name for name in names if name in _ENVELOPE and name not in {"at", "step"}),
        moments=tuple(field.name for field in each if field.type == datetime | None),
        required=tuple(name for name in names if name not in optional),
        optional=tuple(name for name in names if name in optional),
        readers=tuple((field.name, _READERS[field.type]) for field in each if field.type in _READERS),
    )


_READABLE: Mapping[str, _Form] = {name: _form(kind) for name, kind in EVENTS.items()}
_WRITABLE: Mapping[type[Event], _Form] = {form.kind: form for form in _READABLE.values()}


def _as_object(record: Record) -> dict[str, Any]:
    event = record.event
    form = _WRITABLE[type(event)]
    written: dict[str, Any] = {"event": form.kind.__name__, "at": moment(event.at), "run": record.run}
    if event.step:
        written["step"] = event.step
    for name in form.own:
        value = getattr(event, name)
        if value is not None:
            written[name] = value
    for name in form.moments:
        if name in written:
            written[name] = moment(written[name])
    for name in form.shared:
        # A lock's fence and its record's fence are one number on the line, so they must be one number.
        if getattr(event, name) != getattr(record, name):
            raise ValueError(f"its {name} is {getattr(event, name)} and its record's is {getattr(record, name)}")
    written["schema"] = SCHEMA
    written["seq"] = record.seq
    written["fence"] = record.fence
    return written


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


# ASCII only: a line then survives every terminal, log collector and lone surrogate.
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False, default=_plain)
