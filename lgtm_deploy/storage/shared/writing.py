"""Conditional writes whose answer may be lost: sent again, and recognised when they had arrived."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lgtm_deploy.core.errors import DeployError, ExpiredCredentialsError, InDoubtError, JournalError, TransientError
from lgtm_deploy.core.ports import ObjectStore
from lgtm_deploy.core.retry import retry

Pause = Callable[[float], None]

# Seconds before each further try: about as long as a lease lasts without its renewal, less the calls themselves.
_DELAYS = (0.2, 0.5, 1.0, 2.0, 4.0)
# Expired credentials too: they are looked for anew each time (adapters/aws.py).
_MAY_PASS = (TransientError, InDoubtError, ExpiredCredentialsError)
_ADVICE = "Everything that was announced is there; go on with `lgtm-deploy resume` once the store answers."


class Writer:
    """Creates and replaces objects whose bodies are like no others: a body that is found there was sent by this one."""

    def __init__(self, objects: ObjectStore, *, pause: Pause = time.sleep) -> None:
        self._objects = objects
        self._pause = pause

    def create(self, name: str, body: bytes) -> str | None:
        """The new object's tag; None when the name is taken. Raises JournalError when the store does not take it."""
        return self._sent(name, body, lambda: self._objects.create(name, body))

    def replace(self, name: str, body: bytes, tag: str) -> str | None:
        """The object's new tag; None when it has changed meanwhile. Raises JournalError."""
        return self._sent(name, body, lambda: self._objects.replace(name, body, tag))

    def _sent(self, name: str, body: bytes, send: Callable[[], str | None]) -> str | None:
        with usable(name):
            return retry(lambda: send() or self._there(name, body), _DELAYS, _MAY_PASS, self._pause)

    def _there(self, name: str, body: bytes) -> str | None:
        """The tag when an earlier try has arrived, whose answer was lost."""
        found = self._objects.get(name)
        return found.tag if found and found.body == body else None


@contextmanager
def answered(what: str) -> Iterator[None]:
    """Raises JournalError in place of an error that a store has when it does not answer. What it answers who may not
    look, or looks where there is no store, is told as it is."""
    try:
        yield
    except (TransientError, InDoubtError) as error:
        raise _unusable(what, error) from error


@contextmanager
def usable(what: str) -> Iterator[None]:
    """Raises JournalError in place of whatever a store says but yes or no: a run that has acted cannot be refused any
    more, it can only go on later."""
    try:
        yield
    except JournalError:
        raise
    except DeployError as error:
        raise _unusable(what, error) from error


def _unusable(what: str, error: DeployError) -> JournalError:
    advice = f"{error.resolution} {_ADVICE}".strip()
    return JournalError(f"The shared state ({what}) cannot be used: {error.message}", resolution=advice)
