"""What Terraform said: its first error in one line, and what a plan would change."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lgtm_deploy.core.errors import DeployError, PermanentError, TransientError
from lgtm_deploy.core.ports import ResourceChange
from lgtm_deploy.core.secrecy import UNKNOWN, item_of, masked, scrubbed, secrets_of

_TITLE = re.compile(r"^\s*Error: (?P<title>.+?)\s*$")
_PLACE = re.compile(r"^\s+on (?P<file>\S+) line (?P<line>\d+)")
_LOCK_FIELD = re.compile(r"^\s*(?P<name>ID|Who|Operation|Created):\s+(?P<value>\S.*?)\s*$")
# The titles are Terraform's (and OpenTofu's) own words; the exit code is 1 for everything.
_LOCKED = "Error acquiring the state lock"
_OTHER_LOCK = re.compile(r"^ID=(?P<id>\S+)$")
_GO_TIME = re.compile(r"^(?P<seconds>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?P<fraction>\.\d{1,6})?\d* \+0000 UTC")
_STALE = "Saved plan is stale"
_GENERAL = "encountered problems during initiali"


@dataclass(frozen=True, kw_only=True)
class StateLock:
    """A state lock as Terraform tells of it. `created` is None where that cannot be read."""

    id: str
    who: str
    operation: str
    created: datetime | None

    def __str__(self) -> str:
        since = f", since {self.created:%Y-%m-%d %H:%M:%S} UTC" if self.created else ""
        return f"{self.who} (lock {self.id}, {self.operation or 'unknown operation'}{since})"


def lock_of(errors: Sequence[str]) -> StateLock | None:
    """Who holds the state, where that is why the command failed; None when it failed of something else."""
    title, body = next(_blocks(errors), ("", []))
    found = _lock_fields(body)
    if title != _LOCKED or "ID" not in found:
        return None
    # The backend `http` shows the lock that was asked for, and of the one that is held the id alone.
    other = next((match["id"] for match in map(_OTHER_LOCK.match, body) if match), found["ID"])
    if other != found["ID"]:
        return StateLock(id=other, who="somebody else", operation="", created=None)
    return StateLock(
        id=found["ID"],
        who=found.get("Who", "somebody else"),
        operation=found.get("Operation", "").removeprefix("OperationType").lower(),
        created=_moment(found.get("Created", "")),
    )


def failure_of(command: str, root: Path, errors: Sequence[str]) -> DeployError:
    """The first `Error:` block in one line, with its place when it names one.

    A state lock of somebody else is a TransientError that names the holder.
    """
    blocks = list(_blocks(errors))
    # `init` puts a general one before the one that says what is wrong.
    blocks = [block for block in blocks if _GENERAL not in block[0]] or blocks
    if not blocks:
        last = next((line.strip() for line in reversed(errors) if line.strip()), "no reason given")
        return PermanentError(f"{command} in {root} failed: {last}")
    title, body = blocks[0]
    if title == _LOCKED:
        return _locked(command, root, errors, body)
    if title == _STALE:
        return PermanentError(
            f"{command} in {root}: the saved plan is stale, the state changed since.", resolution="Plan again."
        )
    return PermanentError(f"{command} in {root} failed: {_sentence(title, body)}")


def changes_of(shown: Mapping[str, Any]) -> tuple[ResourceChange, ...]:
    """The resources that a plan (`terraform show -json`) changes; no-ops and reads are left out.

    Sensitive values are replaced by a word that still tells whether they change.
    """
    changing = [
        entry for entry in shown.get("resource_changes", []) if set(entry["change"]["actions"]) - {"no-op", "read"}
    ]
    secrets = secrets_of(shown)
    return tuple(_change(entry, secrets) for entry in changing)


def _blocks(errors: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    blocks: list[tuple[str, list[str]]] = []
    in_title = in_error = False
    for line in errors:
        found = _TITLE.match(line)
        if found:
            blocks.append((found["title"], []))
            in_title = in_error = True
        elif line.lstrip().startswith("Warning: "):
            in_title = in_error = False
        elif in_title and line.strip():
            # Long titles are wrapped; an empty line ends them.
            blocks[-1] = (f"{blocks[-1][0]} {line.strip()}", [])
        elif in_error:
            in_title = False
            blocks[-1][1].append(line)
    yield from blocks


def _sentence(title: str, body: Sequence[str]) -> str:
    place = next((found for found in map(_PLACE.match, body) if found), None)
    where = f" ({place['file']} line {place['line']})" if place else ""
    detail = " ".join(line.strip() for line in body if line and not line.startswith(" "))
    return f"{title.rstrip('.')}{where}" + (f": {' '.join(detail.split())}" if detail else ".")


def _locked(command: str, root: Path, errors: Sequence[str], body: Sequence[str]) -> DeployError:
    lock = lock_of(errors)
    if lock is None:
        # No permission or no table, for example: nobody holds it.
        why = " ".join(" ".join(body).split()).partition(" Terraform acquires a state lock")[0]
        return TransientError(f"{command} in {root}: the state's lock cannot be taken: {why}")
    return TransientError(
        f"{command} in {root}: the state is locked by {lock}.",
        resolution=f"Wait for them. Only if that is certainly over: `terraform force-unlock {lock.id}`.",
    )


def _lock_fields(body: Sequence[str]) -> dict[str, str]:
    return {match["name"]: match["value"] for match in map(_LOCK_FIELD.match, body) if match}


def _moment(text: str) -> datetime | None:
    """Go's time.Time as text: `2026-01-16 00:15:04.123456789 +0000 UTC`."""
    found = _GO_TIME.match(text)
    return datetime.fromisoformat(f"{found['seconds']}{found['fraction'] or '.0':0<7}+00:00") if found else None


def _change(entry: Mapping[str, Any], secrets: Set[str]) -> ResourceChange:
    change = entry["change"]
    before, after = change.get("before"), change.get("after")
    after = _with_unknown(after, change.get("after_unknown"))
    return ResourceChange(
        address=entry["address"],
        type=entry["type"],
        actions=tuple(change["actions"]),
        before=_without(secrets, masked(before, change.get("before_sensitive"), before)),
        after=_without(secrets, masked(after, change.get("after_sensitive"), before)),
    )


def _without(secrets: Set[str], value: Any) -> Mapping[str, Any]:
    """Attributes are named by a provider, so their own names are no secrets."""
    return {name: scrubbed(each, secrets) for name, each in _object(value).items()}


def _with_unknown(value: Any, unknown: Any) -> Any:
    if unknown is True:
        return UNKNOWN
    if isinstance(unknown, dict):
        known = value if isinstance(value, dict) else {}
        merged = {key: _with_unknown(known.get(key), mark) for key, mark in unknown.items() if mark}
        return {**known, **merged} if merged or value is not None else value
    if isinstance(unknown, list) and isinstance(value, list):
        return [_with_unknown(item, item_of(unknown, index)) for index, item in enumerate(value)]
    return value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
