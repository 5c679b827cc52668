"""What the object of a lock says."""

import json
import secrets
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from lgtm_deploy.core.ports import LockHolder, StoredObject
from lgtm_deploy.storage.process import Process
from lgtm_deploy.storage.shared.reading import SCHEMA, damaged, read


@dataclass(frozen=True, kw_only=True)
class LockBody:
    """`run` is empty while nobody holds the environment.

    `token` and `beat` make every writing unlike any other. `unclosed` are the runs (and their holders) whose journals
    may still take what they write, although a higher fence was claimed.
    """

    fence: int
    token: str
    beat: int = 0
    run: str = ""
    holder: str = ""
    since: str = ""
    seconds: float = 0.0
    process: str = ""
    unclosed: tuple[tuple[str, str], ...] = ()
    schema: int = SCHEMA

    @classmethod
    def of(cls, name: str, found: StoredObject | None) -> "LockBody":
        """What the object of that name says; what it says beside that is passed over. Raises JournalError."""
        if found is None:
            return _NOBODY
        written = read(name, found.body)
        try:
            body = cls(**{each.name: _checked(each.name, written) for each in fields(cls) if each.name in written})
            if body.run:
                datetime.fromisoformat(body.since)
                Process.parse(body.process)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(name) from error
        return body

    @property
    def overdue(self) -> tuple[tuple[str, str], ...]:
        """The runs whose journals the next one that takes the environment has to close."""
        return (*self.unclosed, (self.run, self.holder)) if self.run else self.unclosed

    def freed(self, fence: int) -> "LockBody":
        """Nobody's, unlike any other writing."""
        return LockBody(fence=fence, token=secrets.token_hex(8))

    def written(self) -> bytes:
        """The object's text."""
        return json.dumps(asdict(self)).encode()

    def holder_of(self, environment: str, found: StoredObject) -> LockHolder:
        """Who holds the environment, as that object says."""
        return LockHolder(
            environment=environment,
            run=self.run,
            holder=self.holder,
            since=datetime.fromisoformat(self.since),
            ends=found.modified + timedelta(seconds=self.seconds),
            fence=self.fence,
        )


_NOBODY = LockBody(fence=0, token="")


def _checked(name: str, written: dict[str, Any]) -> Any:
    """The value of that field. Raises TypeError and ValueError when it is none."""
    value = written[name]
    if name == "unclosed":
        return tuple((str(run), str(holder)) for run, holder in value)
    if not isinstance(value, (int, float) if name == "seconds" else type(getattr(_NOBODY, name))):
        raise TypeError(name)
    return value
