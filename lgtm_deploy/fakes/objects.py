"""Objects that everybody sees, for as long as the process lives."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lgtm_deploy.core.ports import Clock, StoredObject
from lgtm_deploy.fakes.clock import FakeClock
from lgtm_deploy.fakes.script import Script


@dataclass(frozen=True, kw_only=True)
class _Kept:
    body: bytes
    modified: datetime


class FakeObjects:
    """Keeps bodies in a dictionary; a tag is a hash of the body, as S3's may be. Faults come from `script`, by the
    method's name."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.script = Script()
        self.calls: list[str] = []
        self._clock = clock or FakeClock()
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> StoredObject | None:
        """The object of that name; None when there is none."""
        with self._lock:
            self._fail("get", "before")
            kept = self._kept.get(name)
            if kept is None:
                return None
            seen = self._clock.now().replace(microsecond=0)
            return StoredObject(body=kept.body, tag=_tag(kept.body), modified=kept.modified, seen=seen)

    def create(self, name: str, body: bytes) -> str | None:
        """Writes an object that is not there yet and returns its tag; None when it is."""
        with self._lock:
            return self._written("create", name, body, name not in self._kept)

    def replace(self, name: str, body: bytes, tag: str) -> str | None:
        """Writes over the object that has this tag and returns the new one; None when it has another, or is gone."""
        with self._lock:
            kept = self._kept.get(name)
            return self._written("replace", name, body, kept is not None and _tag(kept.body) == tag)

    def names(self, prefix: str, *, after: str = "", limit: int | None = None) -> Sequence[str]:
        """The names that begin so, in order, those after `after` alone, and at most so many."""
        with self._lock:
            self._fail("names", "before")
            found = sorted(name for name in self._kept if name.startswith(prefix) and name > after)
            return found if limit is None else found[: max(limit, 0)]

    def _written(self, call: str, name: str, body: bytes, admitted: bool) -> str | None:
        self.calls.append(call)
        fault = self.script.take(call)
        if fault and fault.when == "before":
            raise fault.error
        if admitted:
            self._kept[name] = _Kept(body=body, modified=self._clock.now().replace(microsecond=0))
        if fault:
            raise fault.error
        return _tag(body) if admitted else None

    def _fail(self, call: str, when: str) -> None:
        self.calls.append(call)
        fault = self.script.take(call)
        if fault and fault.when == when:
            raise fault.error


def _tag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
