"""What every lock promises."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import LockHeldError
from lgtm_deploy.core.ports import Lock
from lgtm_deploy.fakes import FakeLock
from lgtm_deploy.storage.local import LocalLock


class Twelve:
    """A clock that stands at 09:12."""

    def now(self) -> datetime:
        return datetime(2026, 1, 16, 9, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture(params=["local", "fake"])
def lock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lock]:
    if request.param == "local":
        local = LocalLock(tmp_path / "state" / "journal.db", Twelve())
        yield local
        local.close()
    else:
        yield FakeLock()


def test_one_run_at_a_time_holds_an_environment(lock: Lock) -> None:
    lock.take("prod", "7f3a", "ci@runner-4")

    with pytest.raises(LockHeldError) as refusal:
        lock.take("prod", "91c2", "ada@laptop")

    assert re.match(r"Environment 'prod' is locked by run 7f3a \(since .*ci@runner-4\)\.", refusal.value.message)
    assert "unlock prod --run 7f3a" in refusal.value.resolution


def test_a_lock_tells_who_holds_an_environment(lock: Lock) -> None:
    assert lock.holder("prod") is None

    lock.take("prod", "7f3a", "ci@runner-4")
    held = lock.holder("prod")

    assert held is not None
    assert (held.run, held.by) == ("7f3a", "ci@runner-4")
    assert held.since.tzinfo is not None
    assert lock.holder("staging") is None
    lock.release("prod", "7f3a")
    assert lock.holder("prod") is None


def test_environments_are_locked_apart(lock: Lock) -> None:
    lock.take("prod", "7f3a", "ci")
    lock.take("staging", "91c2", "ci")


def test_the_fence_grows_with_each_take(lock: Lock) -> None:
    fences = []
    for run in ("a", "b", "c"):
        fences.append(lock.take("prod", run, "ci"))
        lock.release("prod", run)

    assert fences == sorted(set(fences))
    assert fences[0] > 0


def test_only_its_run_gives_an_environment_back(lock: Lock) -> None:
    lock.take("prod", "7f3a", "ci")
    lock.release("prod", "91c2")
    lock.release("elsewhere", "7f3a")

    with pytest.raises(LockHeldError):
        lock.take("prod", "91c2", "ci")


def test_giving_back_twice_is_harmless(lock: Lock) -> None:
    lock.take("prod", "7f3a", "ci")
    lock.release("prod", "7f3a")
    lock.release("prod", "7f3a")

    assert lock.take("prod", "91c2", "ci") > 0


def test_a_run_cannot_take_what_it_already_holds(lock: Lock) -> None:
    lock.take("prod", "7f3a", "ci")

    with pytest.raises(LockHeldError):
        lock.take("prod", "7f3a", "ci")
