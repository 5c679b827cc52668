"""Who may change an environment, among everybody who sees the object store."""

import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from lgtm_deploy.core import lease as leases
from lgtm_deploy.core.errors import DeployError, JournalError, LockLostError
from lgtm_deploy.core.event import LockTakenOver
from lgtm_deploy.core.ports import Clock, Lease, LockHolder, ObjectStore, StoredObject
from lgtm_deploy.core.wire import moment
from lgtm_deploy.storage.process import Process
from lgtm_deploy.storage.shared.journal import SharedJournal
from lgtm_deploy.storage.shared.lock_body import LockBody
from lgtm_deploy.storage.shared.reading import read
from lgtm_deploy.storage.shared.writing import Pause, Writer, answered

# An object's age is the difference of two times in whole seconds: it may be one second less than it looks.
_ROUNDING = 1.0


class SharedLock:
    """One holder per environment, in one object that only conditional writes change.

    A holder that shows no sign of life is taken over when its lease has been over for `grace` seconds by the store's
    own clock; one whose process can be seen to have ended on this machine at once.
    """

    # 20 calls a minute, noticed within 5 s, the call included.
    look_seconds = 3.0

    def __init__(
        self,
        objects: ObjectStore,
        clock: Clock,
        *,
        seconds: float = leases.LEASE_SECONDS,
        grace: float = leases.CALL_SECONDS,
        pause: Pause = time.sleep,
        process: Callable[[], Process] = Process.this,
    ) -> None:
        self._objects = objects
        self._writer = Writer(objects, pause=pause)
        self._journal = SharedJournal(objects, pause=pause)
        self._clock = clock
        self._seconds = seconds
        self._grace = grace
        self._process = process
        self._mine: dict[tuple[str, int], tuple[LockBody, str]] = {}
        """By environment and fence: what this one has sent last, and the tag of what was there by all it knows."""

    def take(self, environment: str, run: str, holder: str) -> Lease:
        """Takes the environment. Raises LockHeldError when another holder counts; JournalError: the store is silent."""
        while True:
            found = self._look(environment)
            before = LockBody.of(_name(environment), found)
            reason = self._why_takeable(before, found) if found and before.run else ""
            if found and before.run and not reason:
                raise leases.refusal(before.holder_of(environment, found), self._clock.now(), grace=self._grace)
            taken = LockBody(
                fence=before.fence + 1,
                token=secrets.token_hex(8),
                run=run,
                holder=holder,
                since=moment(self._clock.now()),
                seconds=self._seconds,
                process=str(self._process()),
                unclosed=before.overdue,
            )
            tag = self._write(environment, taken, found)
            if tag is None:
                continue
            try:
                takeover = self._close(environment, taken, run, holder, reason or leases.OVER)
                break
            except DeployError as error:
                self._give_up(environment, taken, tag)
                # Where it was taken from this run meanwhile, or unlocked, another look tells who has it now.
                if not isinstance(error, LockLostError):
                    raise _not_taken(environment, run, error) from error
        self._mine[environment, taken.fence] = (replace(taken, unclosed=()), tag)
        return Lease(
            environment=environment,
            run=run,
            holder=holder,
            fence=taken.fence,
            seconds=self._seconds,
            takeover=takeover,
        )

    def renew(self, lease: Lease) -> None:
        """Lets the lease last its time again. Raises LockLostError, and JournalError when the store is silent."""
        held = self._mine.get((lease.environment, lease.fence))
        if held is None:
            raise leases.lost(lease.environment, lease.run)
        before, tag = held
        if self._beat(lease, before, tag):
            return
        # An earlier renewal may have arrived, although nobody said so.
        found = self._look(lease.environment)
        now = LockBody.of(_name(lease.environment), found)
        if found is None or now.token != before.token:
            raise leases.lost(lease.environment, lease.run, now.run)
        if not self._beat(lease, replace(before, beat=before.beat + 1), found.tag):
            raise leases.lost(lease.environment, lease.run)

    def release(self, lease: Lease) -> None:
        """Gives the environment back; nothing happens when it is not this lease's any more. Raises JournalError."""
        self._mine.pop((lease.environment, lease.fence), None)
        while True:
            found = self._look(lease.environment)
            body = LockBody.of(_name(lease.environment), found)
            if found is None or (body.fence, body.run) != (lease.fence, lease.run):
                return
            # A renewal of this lease may be under way, and come first.
            if self._writer.replace(_name(lease.environment), body.freed(body.fence).written(), found.tag) is not None:
                return

    def holder(self, environment: str) -> LockHolder | None:
        """Who holds the environment; None when nobody does, or when the holder's process is seen to have ended."""
        found = self._look(environment)
        body = LockBody.of(_name(environment), found)
        if found is None or not body.run or Process.parse(body.process).is_gone():
            return None
        return body.holder_of(environment, found)

    def break_(self, environment: str, run: str, by: str) -> LockHolder:
        """Takes the environment from that run for nobody. Raises NotFoundError, LockHeldError and JournalError."""
        while True:
            found = self._look(environment)
            body = LockBody.of(_name(environment), found)
            if found is None or not body.run:
                raise leases.nobody(environment)
            held = body.holder_of(environment, found)
            if body.run != run:
                raise leases.other_run(held, run)
            free = replace(body.freed(body.fence + 1), unclosed=body.overdue)
            tag = self._write(environment, free, found)
            if tag is None:
                continue
            self._close(environment, free, "", by, f"unlocked by {by}")
            self._writer.replace(_name(environment), replace(free, unclosed=(), beat=1).written(), tag)
            return held

    def _beat(self, lease: Lease, before: LockBody, tag: str) -> bool:
        """Whether the lease is written anew, unlike `before`, over what has that tag."""
        held = lease.environment, lease.fence
        body = replace(before, beat=before.beat + 1)
        # Remembered before it is sent: what is sent next, whatever comes of this, must not look like it.
        self._mine[held] = (body, tag)
        renewed = self._writer.replace(_name(lease.environment), body.written(), tag)
        if renewed is None:
            return False
        self._mine[held] = (body, renewed)
        return True

    def cancel(self, environment: str, run: str, by: str) -> LockHolder:
        """Leaves a wish that the run stop, in an object of its own: a write to the lock itself would look like a
        takeover to its holder. Raises NotFoundError, LockHeldError and JournalError."""
        held = self.holder(environment)
        if held is None:
            raise leases.nobody(environment)
        if held.run != run:
            raise leases.other_run(held, run)
        wish = json.dumps({"schema": 1, "fence": held.fence, "run": run, "by": by, "token": secrets.token_hex(8)})
        with answered(f"the wish to stop run {run}"):
            while True:
                there = self._objects.get(_wish(environment))
                if there is None:
                    sent = self._writer.create(_wish(environment), wish.encode())
                else:
                    sent = self._writer.replace(_wish(environment), wish.encode(), there.tag)
                if sent is not None:
                    return held

    def cancelled(self, lease: Lease) -> str:
        """Who wishes this lease's run to stop. Raises JournalError when the store is silent."""
        with answered(f"the wishes of '{lease.environment}'"):
            found = self._objects.get(_wish(lease.environment))
        wish = read(_wish(lease.environment), found.body) if found else {}
        return str(wish["by"]) if (wish.get("fence"), wish.get("run")) == (lease.fence, lease.run) else ""

    def _give_up(self, environment: str, taken: LockBody, tag: str) -> None:
        """Leaves the environment to whoever comes next, with the journals that are still to be closed."""
        # What cannot be given back now ends with its lease.
        with suppress(DeployError):
            free = replace(taken.freed(taken.fence), unclosed=taken.unclosed)
            self._writer.replace(_name(environment), free.written(), tag)

    def _look(self, environment: str) -> StoredObject | None:
        with answered(f"the lock of '{environment}'"):
            return self._objects.get(_name(environment))

    def _write(self, environment: str, body: LockBody, over: StoredObject | None) -> str | None:
        name = _name(environment)
        if over is None:
            return self._writer.create(name, body.written())
        return self._writer.replace(name, body.written(), over.tag)

    def _why_takeable(self, held: LockBody, found: StoredObject) -> str:
        """Why the environment can be taken from its holder; empty: it cannot."""
        if Process.parse(held.process).is_gone():
            return leases.GONE
        age = (found.seen - found.modified).total_seconds()
        return leases.OVER if age >= held.seconds + self._grace + _ROUNDING else ""

    def _close(self, environment: str, claimed: LockBody, run: str, holder: str, reason: str) -> LockTakenOver | None:
        """Has the journals of the runs that are taken over refuse what comes late; the last of them is returned."""
        told = None
        for from_run, from_holder in claimed.unclosed:
            told = LockTakenOver(
                at=self._clock.now(),
                environment=environment,
                fence=claimed.fence,
                from_run=from_run,
                from_holder=from_holder,
                to_run=run,
                to_holder=holder,
                reason=reason,
            )
            self._journal.close_for(from_run, claimed.fence, told)
        return told


def _not_taken(environment: str, run: str, error: DeployError) -> JournalError:
    # How a run goes on that was in the midst of something is of no use to one that has not begun.
    why = error.__cause__ if isinstance(error.__cause__, DeployError) else error
    return JournalError(
        f"Run {run} cannot take environment '{environment}' over: {error.message}",
        resolution=f"{why.resolution} Nothing was changed; begin anew when that is over.".strip(),
    )


def _name(environment: str) -> str:
    return f"locks/{environment}"


def _wish(environment: str) -> str:
    return f"cancels/{environment}"
