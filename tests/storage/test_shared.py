"""Journal and lock in an object store: what they survive."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lgtm_deploy.core.errors import (
    AccessError,
    DeployError,
    ExpiredCredentialsError,
    InDoubtError,
    JournalError,
    LockHeldError,
    LockLostError,
    NotFoundError,
    TransientError,
)
from lgtm_deploy.core.event import (
    Event,
    LockTakenOver,
    RunFinished,
    RunResumed,
    RunStarted,
    StepObserved,
    StepStarted,
)
from lgtm_deploy.core.lease import CALL_SECONDS, LEASE_SECONDS
from lgtm_deploy.core.ports import Lease, StoredObject
from lgtm_deploy.engine.history import unfinished_run
from lgtm_deploy.fakes import FakeClock, FakeObjects
from lgtm_deploy.storage.process import Process
from lgtm_deploy.storage.shared import SharedJournal, SharedLock

LOST = InDoubtError("S3 did not answer.")
BUSY = TransientError("Slow down.")
EXPIRED = ExpiredCredentialsError("The token has expired.", resolution="Log in again.")


class Place:
    """A store, and those who use it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.objects = FakeObjects(self.clock)

    def journal(self) -> SharedJournal:
        return SharedJournal(self.objects, pause=self.clock.advance)

    def lock(self) -> SharedLock:
        # On another machine, of which nobody here knows whether it still runs.
        there = Process(host="elsewhere", boot="another", space="", pid=1, started="1")
        return SharedLock(self.objects, self.clock, pause=self.clock.advance, process=lambda: there)

    def lapse(self) -> None:
        self.clock.advance(LEASE_SECONDS + CALL_SECONDS + 1)


@pytest.fixture
def place() -> Place:
    return Place()


def started(place: Place, environment: str = "prod") -> RunStarted:
    return RunStarted(
        at=place.clock.now(),
        plan="prefix-change",
        plan_digest="ab" * 32,
        stack="lgtm",
        environment=environment,
        by="ci@runner-4",
        steps={},
    )


def step(place: Place) -> StepStarted:
    return StepStarted(at=place.clock.now(), step="push[tempo]")


def finished(place: Place) -> RunFinished:
    return RunFinished(at=place.clock.now(), verdict="deployed", exit_code=0, seconds=1.0, reason="")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_whose_answer_is_lost_is_there_once(place: Place, when: str) -> None:
    journal = place.journal()
    journal.append("7f3a", 1, [started(place)])
    place.objects.script.fail_next("create", LOST, when=when, times=3)

    written = journal.append("7f3a", 1, [step(place), step(place)])

    assert [record.seq for record in written] == [2, 3]
    assert len(place.journal().records("7f3a")) == 3


def test_a_store_that_stays_silent_is_an_error_of_the_journal_and_nothing_is_announced(place: Place) -> None:
    journal = place.journal()
    journal.append("7f3a", 1, [started(place)])
    place.objects.script.fail_next("create", BUSY, times=6)

    with pytest.raises(JournalError, match=r"The shared state \(runs/7f3a/0000000002\) cannot be used: Slow down"):
        journal.append("7f3a", 1, [step(place)])

    assert journal.append("7f3a", 1, [step(place)])[0].seq == 2


def test_credentials_that_expire_for_a_moment_do_not_end_a_run(place: Place) -> None:
    journal = place.journal()
    journal.append("7f3a", 1, [started(place)])
    place.objects.script.fail_next("create", EXPIRED, times=2)

    assert journal.append("7f3a", 1, [step(place)])[0].seq == 2


@pytest.mark.parametrize(
    ("call", "error", "times"),
    [
        ("create", EXPIRED, 6),
        ("create", AccessError("Denied.", resolution="Check the credentials."), 1),
        ("create", NotFoundError("There is no bucket."), 1),
        ("names", AccessError("Denied."), 1),
    ],
)
def test_a_run_that_the_store_refuses_is_told_so_and_how_it_goes_on(
    place: Place, call: str, error: DeployError, times: int
) -> None:
    """Whoever runs it must not read that it was refused before it began: it has acted."""
    place.journal().append("7f3a", 1, [started(place)])
    place.objects.script.fail_next(call, error, times=times)

    with pytest.raises(JournalError, match=r"The shared state \(.*7f3a.*\) cannot be used: " + error.message) as found:
        place.journal().append("7f3a", 1, [step(place)])

    assert found.value.__cause__ is error
    assert error.resolution in found.value.resolution
    assert "lgtm-deploy resume" in found.value.resolution


def test_a_store_that_is_not_there_is_told_as_it_is_before_a_run_begins(place: Place) -> None:
    missing = NotFoundError("s3://state/locks/prod: The specified bucket does not exist (NoSuchBucket).")
    place.objects.script.fail_next("get", missing)

    with pytest.raises(NotFoundError, match="NoSuchBucket"):
        place.lock().take("prod", "7f3a", "ci")


def test_a_lock_whose_answer_is_lost_is_taken_once(place: Place) -> None:
    place.objects.script.fail_next("create", LOST, when="after")

    lease = place.lock().take("prod", "7f3a", "ci")

    assert lease.fence == 1
    with pytest.raises(LockHeldError):
        place.lock().take("prod", "91c2", "ada")


def test_a_renewal_that_arrived_without_an_answer_is_not_a_loss(place: Place) -> None:
    lock = place.lock()
    lease = lock.take("prod", "7f3a", "ci")
    place.objects.script.fail_next("replace", LOST, when="after", times=1)
    place.objects.script.fail_next("replace", LOST, times=5)
    place.objects.script.fail_next("get", BUSY)
    with pytest.raises(JournalError):
        lock.renew(lease)

    lock.renew(lease)
    lock.renew(lease)

    lock.release(lease)
    assert place.lock().holder("prod") is None


def test_a_lease_that_was_given_back_is_not_renewed(place: Place) -> None:
    lock = place.lock()
    lease = lock.take("prod", "7f3a", "ci")
    lock.release(lease)

    with pytest.raises(LockLostError):
        lock.renew(lease)


def test_a_renewal_is_never_an_earlier_one_that_arrived_late(place: Place) -> None:
    """Else the lease would be counted from now, and be over sooner for everybody else."""
    lock = place.lock()
    lease = lock.take("prod", "7f3a", "ci")
    place.objects.script.fail_next("replace", LOST, when="after", times=1)
    place.objects.script.fail_next("replace", LOST, times=5)
    with pytest.raises(JournalError):
        lock.renew(lease)
    place.clock.advance(LEASE_SECONDS / 2)

    lock.renew(lease)

    held = place.lock().holder("prod")
    assert held is not None
    assert held.ends == place.clock.now().replace(microsecond=0) + timedelta(seconds=LEASE_SECONDS)


def between_look_and_write(place: Place, meanwhile: Callable[[], object]) -> None:
    """Something happens once, after the next look at the lock."""
    get = place.objects.get

    def looked(name: str) -> StoredObject | None:
        found = get(name)
        if name == "locks/prod":
            place.objects.get = get  # type: ignore[method-assign]
            meanwhile()
        return found

    place.objects.get = looked  # type: ignore[method-assign]


def test_a_lock_is_given_back_although_a_renewal_is_under_way(place: Place) -> None:
    lock = place.lock()
    lease = lock.take("prod", "7f3a", "ci")
    before, tag = lock._mine["prod", lease.fence]
    between_look_and_write(place, lambda: lock._beat(lease, before, tag))

    lock.release(lease)

    assert place.lock().holder("prod") is None


def test_what_is_anothers_by_now_is_not_given_back(place: Place) -> None:
    lock = place.lock()
    lease = lock.take("prod", "7f3a", "ci")
    place.lapse()
    between_look_and_write(place, lambda: place.lock().take("prod", "91c2", "ada"))

    lock.release(lease)

    held = place.lock().holder("prod")
    assert held is not None
    assert held.run == "91c2"


def test_who_cannot_take_over_in_full_does_not_keep_the_environment(place: Place) -> None:
    journal = place.journal()
    first = place.lock().take("prod", "7f3a", "ci")
    journal.append("7f3a", first.fence, [started(place)])
    place.lapse()
    place.objects.script.fail_next("create", BUSY, times=6)

    with pytest.raises(JournalError, match=r"Run 91c2 cannot take environment 'prod' over: .*Slow down") as found:
        place.lock().take("prod", "91c2", "ada")

    assert "resume" not in found.value.resolution
    assert place.lock().holder("prod") is None
    third = place.lock().take("prod", "d00d", "bob")
    assert third.takeover is not None
    assert (third.takeover.from_run, third.takeover.to_run) == ("7f3a", "d00d")
    with pytest.raises(LockLostError):
        journal.append("7f3a", first.fence, [step(place)])


def test_who_is_overtaken_while_it_takes_over_is_told_who_holds_it(place: Place) -> None:
    place.lock().take("prod", "7f3a", "ci")
    place.lapse()
    lock = place.lock()
    close = lock._journal.close_for

    def late(run: str, fence: int, last: LockTakenOver) -> None:
        lock._journal.close_for = close  # type: ignore[method-assign]
        place.lapse()
        place.lock().take("prod", "d00d", "bob")
        close(run, fence, last)

    lock._journal.close_for = late  # type: ignore[method-assign,assignment]

    with pytest.raises(LockHeldError, match="Environment 'prod' is locked by run d00d") as found:
        lock.take("prod", "91c2", "ada")

    assert not isinstance(found.value, LockLostError)


def rewrite(place: Place, name: str, body: bytes) -> None:
    found = place.objects.get(name)
    assert found is not None
    place.objects.replace(name, body, found.tag)


def test_what_a_lock_says_beside_what_is_known_here_does_not_matter(place: Place) -> None:
    place.lock().take("prod", "7f3a", "ci")
    found = place.objects.get("locks/prod")
    assert found is not None
    rewrite(place, "locks/prod", json.dumps({**json.loads(found.body), "note": "hello"}).encode())

    held = place.lock().holder("prod")

    assert held is not None
    assert held.run == "7f3a"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "damaged or cut off"),
        (b'{"fence": 1, "to', "damaged or cut off"),
        (b"[]", "damaged or cut off"),
        (b'{"fence": 1}', "damaged or cut off"),
        (b'{"fence": "one", "token": "", "unclosed": []}', "damaged or cut off"),
        (b'{"schema": 2, "holders": []}', "newer lgtm-deploy"),
    ],
)
def test_a_lock_that_cannot_be_read_is_named_and_left_alone(place: Place, body: bytes, said: str) -> None:
    place.lock().take("prod", "7f3a", "ci")
    rewrite(place, "locks/prod", body)

    with pytest.raises(JournalError, match=f"locks/prod .*{said}"):
        place.lock().holder("prod")
    with pytest.raises(JournalError, match=f"locks/prod .*{said}"):
        place.lock().take("prod", "91c2", "ada")


def test_a_wish_that_cannot_be_read_is_named(place: Place) -> None:
    lock = place.lock()
    lease = lock.take("prod", "7f3a", "ci")
    place.lock().cancel("prod", "7f3a", "ada")
    rewrite(place, "cancels/prod", b"")

    with pytest.raises(JournalError, match="cancels/prod"):
        lock.cancelled(lease)


class Killed(BaseException):
    """The process ended here."""


def kill_while_closing(place: Place, run: str, holder: str) -> None:
    """A process takes the environment over, and is killed before it has closed the earlier run's journal."""
    lock = place.lock()

    def killed(*_: object) -> None:
        raise Killed

    lock._journal.close_for = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        lock.take("prod", run, holder)


def test_a_taker_that_dies_before_it_closed_the_journal_leaves_that_to_the_next(place: Place) -> None:
    journal = place.journal()
    first = place.lock().take("prod", "7f3a", "ci")
    journal.append("7f3a", first.fence, [started(place)])
    place.lapse()
    kill_while_closing(place, "91c2", "ada")
    place.lapse()

    third = place.lock().take("prod", "d00d", "bob")

    with pytest.raises(LockLostError):
        journal.append("7f3a", first.fence, [step(place)])
    with pytest.raises(LockLostError):
        place.journal().append("91c2", first.fence + 1, [started(place)])
    last = place.journal().records("7f3a")[-1]
    assert isinstance(last.event, LockTakenOver)
    assert (last.fence, last.event.to_run) == (third.fence, "d00d")
    assert third.takeover is not None
    assert third.takeover.from_run == "91c2"


def test_closed_journals_are_not_closed_again(place: Place) -> None:
    for run in ("7f3a", "91c2"):
        lock = place.lock()
        lease = lock.take("prod", run, "ci")
        lock.renew(lease)
        place.lapse()
    place.lock().take("prod", "d00d", "bob")

    assert [type(record.event) for record in place.journal().records("7f3a")] == [LockTakenOver]


def test_a_taker_is_told_only_when_the_earlier_journal_refuses(place: Place) -> None:
    """Between the claim and the closing the earlier run may still write; after `take` it may not."""
    journal = place.journal()
    first = place.lock().take("prod", "7f3a", "ci")
    journal.append("7f3a", first.fence, [started(place)])
    place.lapse()
    lock = place.lock()
    close = lock._journal.close_for

    def late(run: str, fence: int, last: LockTakenOver) -> None:
        journal.append("7f3a", first.fence, [step(place)])
        close(run, fence, last)

    lock._journal.close_for = late  # type: ignore[method-assign,assignment]
    lock.take("prod", "91c2", "ada")

    with pytest.raises(LockLostError):
        journal.append("7f3a", first.fence, [step(place)])
    kinds = [type(record.event) for record in place.journal().records("7f3a")]
    assert kinds == [RunStarted, StepStarted, LockTakenOver]


def test_a_holder_that_is_seen_to_be_gone_is_not_waited_for(place: Place) -> None:
    gone = replace(Process.this(), started="1")
    SharedLock(place.objects, place.clock, process=lambda: gone).take("prod", "7f3a", "ci")

    lease = place.lock().take("prod", "91c2", "ada")

    assert lease.takeover is not None
    assert lease.takeover.reason == "its process has ended"


@pytest.mark.parametrize("boot", ["another machine's", ""])
def test_a_holder_on_another_machine_of_the_same_name_is_left_alone(place: Place, boot: str) -> None:
    there = replace(Process.this(), boot=boot, started="1")
    SharedLock(place.objects, place.clock, process=lambda: there).take("prod", "7f3a", "ci")

    with pytest.raises(LockHeldError):
        place.lock().take("prod", "91c2", "ada")
    assert place.lock().holder("prod") is not None


def test_the_age_of_a_lease_is_the_stores_and_not_the_callers(place: Place) -> None:
    place.lock().take("prod", "7f3a", "ci")
    fast = FakeClock(start=datetime(2030, 1, 1, tzinfo=UTC))

    with pytest.raises(LockHeldError):
        SharedLock(place.objects, fast).take("prod", "91c2", "ada")

    place.lapse()
    slow = FakeClock(start=datetime(2020, 1, 1, tzinfo=UTC))
    assert SharedLock(place.objects, slow).take("prod", "91c2", "ada").fence == 2


def test_up_to_a_second_that_whole_seconds_hide_is_given_away(place: Place) -> None:
    place.clock.advance(0.9)
    place.lock().take("prod", "7f3a", "ci")
    place.clock.advance(LEASE_SECONDS + CALL_SECONDS - 0.5)

    with pytest.raises(LockHeldError):
        place.lock().take("prod", "91c2", "ada")


def test_the_list_of_runs_is_one_call_and_one_read_for_each_that_is_shown(place: Place) -> None:
    journal = place.journal()
    for number in range(30):
        journal.append(f"run{number}", 1, [started(place)])
        journal.append(f"run{number}", 1, [finished(place)])
        place.clock.advance(60)
    place.objects.calls.clear()

    assert [each.run for each in place.journal().runs(3)] == ["run29", "run28", "run27"]
    assert sorted(place.objects.calls) == ["get", "get", "get", "names"]


def test_a_list_that_was_not_told_of_the_end_is_checked(place: Place) -> None:
    journal = place.journal()
    journal.append("7f3a", 1, [started(place)])
    journal._update = lambda *_: None  # type: ignore[method-assign,assignment]
    journal.append("7f3a", 1, [finished(place)])

    assert place.journal().runs(1)[0].verdict == "deployed"


def test_a_run_that_was_listed_and_never_began_is_none(place: Place) -> None:
    journal = place.journal()
    create = place.objects.create
    place.objects.create = lambda name, body: dead() if name.startswith("runs/") else create(name, body)  # type: ignore[method-assign]

    def dead() -> str:
        raise Killed

    with pytest.raises(Killed):
        journal.append("7f3a", 1, [started(place)])

    assert list(place.journal().runs(10)) == []


def taken_over_before_it_began(place: Place) -> Lease:
    lease = place.lock().take("prod", "7f3a", "ci")
    place.lapse()
    place.lock().take("prod", "91c2", "ada")
    return lease


def test_a_run_that_lost_its_environment_before_it_began_is_not_listed(place: Place) -> None:
    lease = taken_over_before_it_began(place)

    with pytest.raises(LockLostError):
        place.journal().append("7f3a", lease.fence, [started(place)])

    assert list(place.objects.names("index/")) == []


def test_a_run_that_lost_its_environment_while_it_was_being_listed_is_none(place: Place) -> None:
    journal = place.journal()
    create = place.objects.create

    def listed(name: str, body: bytes) -> str | None:
        place.objects.create = create  # type: ignore[method-assign]
        taken_over_before_it_began(place)
        return create(name, body)

    place.objects.create = listed  # type: ignore[method-assign]

    with pytest.raises(LockLostError):
        journal.append("7f3a", 1, [started(place)])

    assert len(place.objects.names("index/")) == 1
    assert list(place.journal().runs(10)) == []


def test_an_object_is_lines_that_people_can_read(place: Place) -> None:
    place.journal().append("7f3a", 3, [started(place), step(place)])

    found = place.objects.get("runs/7f3a/0000000001")

    assert found is not None
    head, *lines = map(json.loads, found.body.decode().splitlines())
    assert head["schema"] == 1
    assert [(line["event"], line["seq"], line["fence"]) for line in lines] == [
        ("RunStarted", 1, 3),
        ("StepStarted", 2, 3),
    ]
    assert place.objects.names("index/")[0].endswith(".prod.7f3a")


def test_a_lease_says_until_when_by_the_stores_clock(place: Place) -> None:
    place.lock().take("prod", "7f3a", "ci")
    held = place.lock().holder("prod")

    assert held is not None
    assert held.ends == place.clock.now() + timedelta(seconds=LEASE_SECONDS)


def acting(place: Place) -> list[Event]:
    seen = StepObserved(at=place.clock.now(), step="push[tempo]", seen={}, change="push")
    return [step(place), seen]


def test_a_run_that_died_before_the_list_was_told_of_its_end_has_ended_when_it_is_taken_over(place: Place) -> None:
    lock, journal = place.lock(), place.journal()
    lock.take("prod", "7f3a", "ci")
    journal.append("7f3a", 1, [started(place), *acting(place)])
    written = place.objects.replace

    def silent(name: str, body: bytes, tag: str) -> str | None:
        if name.startswith("index/"):
            raise LOST
        return written(name, body, tag)

    place.objects.replace = silent  # type: ignore[method-assign]
    # It is written down, whatever the list says.
    journal.append("7f3a", 1, [finished(place)])
    place.lapse()

    place.lock().take("prod", "91c2", "ada")

    assert place.journal().runs(1)[0].verdict == "deployed"
    assert unfinished_run(place.journal(), "prod") == ""


def test_who_takes_over_tells_the_list_what_it_was_not_told(place: Place) -> None:
    lock, journal = place.lock(), place.journal()
    lock.take("prod", "7f3a", "ci")
    journal.append("7f3a", 1, [started(place)])
    journal._update = lambda *_: None  # type: ignore[method-assign,assignment]
    journal.append("7f3a", 1, [finished(place)])

    place.lock().break_("prod", "7f3a", "ada")

    place.objects.calls.clear()
    assert place.journal().runs(1)[0].verdict == "deployed"
    assert place.objects.calls == ["names", "get"]


def test_a_run_that_lost_its_environment_before_it_began_is_none(place: Place) -> None:
    journal = place.journal()
    place.lock().take("prod", "7f3a", "ci")
    place.lapse()
    place.lock().take("prod", "91c2", "ada")

    with pytest.raises(LockLostError):
        journal.append("7f3a", 1, [started(place)])

    assert list(place.journal().runs(5)) == []


def test_a_run_that_was_taken_over_on_its_way_is_unfinished(place: Place) -> None:
    place.lock().take("prod", "7f3a", "ci")
    place.journal().append("7f3a", 1, [started(place), *acting(place)])
    place.lapse()
    place.lock().take("prod", "91c2", "ada")

    assert unfinished_run(place.journal(), "prod") == "7f3a"


def test_a_list_that_lags_does_not_make_a_run_unfinished(place: Place) -> None:
    journal = place.journal()
    interrupted = replace(finished(place), verdict="interrupted")
    journal.append("7f3a", 1, [started(place), *acting(place), interrupted])
    journal._update = lambda *_: None  # type: ignore[method-assign,assignment]
    journal.append("7f3a", 2, [RunResumed(at=place.clock.now(), by="ada")])
    journal.append("7f3a", 2, [finished(place)])

    assert unfinished_run(place.journal(), "prod") == ""
