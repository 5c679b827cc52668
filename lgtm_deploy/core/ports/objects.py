"""A place for small objects that everybody sees, changed by conditional writes alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object as it was found.

    `tag` changes with every write of another text, and may be the same for the same text. `modified` is when it was
    written and `seen` when the store answered, both by the store's own clock, in whole seconds.
    """

    body: bytes
    tag: str
    modified: datetime
    seen: datetime


class ObjectStore(Protocol):
    """Names and bodies. What one caller has written every other one sees at once (AWS: S3, strong consistency).

    All methods raise TransientError, AccessError and NotFoundError (no such bucket); writes raise InDoubtError when
    nobody knows whether they arrived.
    """

    def get(self, name: str) -> StoredObject | None:
        """The object of that name; None when there is none."""

    def create(self, name: str, body: bytes) -> str | None:
        """Writes an object that is not there yet and returns its tag; None when it is."""

    def replace(self, name: str, body: bytes, tag: str) -> str | None:
        """Writes over the object that has this tag and returns the new one; None when it has another, or is gone."""

    def names(self, prefix: str, *, after: str = "", limit: int | None = None) -> Sequence[str]:
        """The names that begin so, in order, those after `after` alone, and at most so many."""
