"""The lock on this machine: held only while its process lives."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import LockHeldError
from lgtm_deploy.storage import process
from lgtm_deploy.storage.local import LocalLock
from lgtm_deploy.storage.process import Process

TAKER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lgtm_deploy.core.errors import LockHeldError
from lgtm_deploy.storage.local import LocalLock

class Now:
    def now(self): return datetime.now(UTC)
    def monotonic(self): return 0.0

lock = LocalLock(Path(sys.argv[1]), Now())
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    sys.stdin.readline()
    lease = None
    try:
        lease = lock.take("prod", sys.argv[2], "ci@" + sys.argv[2])
        print("fence", lease.fence, flush=True)
    except LockHeldError as error:
        print(error.message, flush=True)
    sys.stdin.readline()
    if lease:
        lock.release(lease)
    print("done", flush=True)
"""


class Times:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 16, 9, 12, tzinfo=UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.seconds


class Taker:
    """Another process that takes the lock when told to."""

    def __init__(self, file: Path, run: str, rounds: int = 1) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", TAKER, str(file), run, str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> "Taker":
        assert self.hear() == "ready"
        return self

    def hear(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def tell(self) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()

    def end(self) -> None:
        self.child.kill()
        self.child.communicate()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def clock() -> Times:
    return Times()


@pytest.fixture
def lock(file: Path, clock: Times) -> Iterator[LocalLock]:
    lock = LocalLock(file, clock)
    yield lock
    lock.close()


@pytest.mark.parametrize(
    ("processes", "rounds"), [(5, 10), pytest.param(20, 50, marks=[pytest.mark.torture, pytest.mark.timeout(900)])]
)
def test_of_racing_processes_one_wins_and_the_others_name_it(file: Path, processes: int, rounds: int) -> None:
    takers = [Taker(file, f"run{number}", rounds) for number in range(processes)]
    try:
        for taker in takers:
            taker.ready()
        for round_ in range(rounds):
            answers = every(takers)
            (winner,) = [number for number, answer in enumerate(answers) if answer == f"fence {round_ + 1}"]
            refusals = [answer for number, answer in enumerate(answers) if number != winner]
            assert all(f"locked by run run{winner} (since " in answer for answer in refusals)
            assert every(takers) == ["done"] * processes
    finally:
        for taker in takers:
            taker.end()


def every(takers: list[Taker]) -> list[str]:
    """What they answer when all are told at once."""
    for taker in takers:
        taker.tell()
    return [taker.hear() for taker in takers]


def test_a_killed_holder_is_taken_over_with_a_higher_fence(file: Path, lock: LocalLock) -> None:
    taker = Taker(file, "7f3a").ready()
    taker.tell()
    assert taker.hear() == "fence 1"
    with pytest.raises(LockHeldError):
        lock.take("prod", "91c2", "ada@laptop")

    # Not waited for: what a killed process leaves until its parent looks holds nothing either.
    taker.child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, taker.child.pid, os.WEXITED | os.WNOWAIT)

    assert lock.holder("prod") is None
    lease = lock.take("prod", "91c2", "ada@laptop")
    assert lease.fence == 2
    assert lease.takeover is not None
    assert lease.takeover.reason == "its process has ended"
    taker.end()


def test_a_process_that_runs_keeps_its_lock_however_long_it_is_silent(
    file: Path, lock: LocalLock, clock: Times
) -> None:
    taker = Taker(file, "7f3a").ready()
    taker.tell()
    taker.hear()
    clock.seconds += 1_000_000

    with pytest.raises(LockHeldError):
        lock.take("prod", "91c2", "ada@laptop")
    taker.end()


def test_a_lock_that_an_earlier_version_holds_ends_with_its_process(file: Path, lock: LocalLock) -> None:
    lock.take("prod", "7f3a", "ci")
    lock.close()
    earlier = sqlite3.connect(file)
    for column in ("renewed", "renewed_at", "lease", "cancelled_by"):
        earlier.execute(f"ALTER TABLE locks DROP COLUMN {column}")
    earlier.execute("PRAGMA user_version = 1")
    earlier.commit()
    earlier.close()

    held = lock.holder("prod")

    assert held is not None
    assert held.run == "7f3a"
    with pytest.raises(LockHeldError):
        lock.take("prod", "91c2", "ci")


def test_a_file_of_the_version_before_wishes_is_brought_up_to_date(file: Path, lock: LocalLock) -> None:
    lease = lock.take("prod", "7f3a", "ci")
    lock.close()
    earlier = sqlite3.connect(file)
    earlier.execute("ALTER TABLE locks DROP COLUMN cancelled_by")
    earlier.execute("PRAGMA user_version = 2")
    earlier.commit()
    earlier.close()

    lock.renew(lease)
    lock.cancel("prod", "7f3a", "ada")

    assert lock.cancelled(lease) == "ada"


def test_the_refusal_says_who_since_when_and_what_to_do(lock: LocalLock, clock: Times) -> None:
    lock.take("prod", "7f3a", "ci@runner-4")
    clock.at += timedelta(hours=2)

    with pytest.raises(LockHeldError) as refusal:
        lock.take("prod", "91c2", "ada@laptop")

    assert refusal.value.message == (
        "Environment 'prod' is locked by run 7f3a (since 09:12, ci@runner-4; its lease ends 09:13:00)."
    )
    assert refusal.value.resolution == (
        "Wait with --lock-wait SECONDS: if it shows no sign of life, it is taken over at 09:13:20."
        " If it is surely dead, run `lgtm-deploy unlock prod --run 7f3a`."
    )


def test_a_lock_of_another_day_is_named_with_its_date(lock: LocalLock, clock: Times) -> None:
    lock.take("prod", "7f3a", "ci@runner-4")
    clock.at += timedelta(days=1)

    with pytest.raises(LockHeldError, match="since 2026-01-16 09:12"):
        lock.take("prod", "91c2", "ada@laptop")


def test_the_lock_outlives_the_object_but_not_the_process(file: Path, lock: LocalLock, clock: Times) -> None:
    lock.take("prod", "7f3a", "ci")
    lock.close()

    with pytest.raises(LockHeldError):
        LocalLock(file, clock).take("prod", "91c2", "ci")


def test_a_process_is_told_from_a_later_one_with_its_number() -> None:
    this = Process.this()

    assert not this.is_gone()
    assert Process.parse(str(this)) == this
    assert replace(this, started="1").is_gone()
    assert replace(this, started="1").is_gone_from_this_machine()
    assert not this.is_gone_from_this_machine()


def test_a_process_whose_files_are_hidden_counts_as_alive_while_the_kernel_knows_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        hidden = Process.of(child.pid)
        # As /proc is with hidepid=2 for another user's processes.
        monkeypatch.setattr(process, "_first_line", _without_other_processes(process._first_line))

        while_it_lives = (hidden.is_gone(), hidden.is_gone_from_this_machine(), hidden.is_running())
        child.communicate()

    assert while_it_lives == (False, False, False)
    assert hidden.is_gone()
    assert hidden.is_gone_from_this_machine()


def test_what_is_left_of_a_process_until_its_parent_asks_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as child:
        seen = Process.of(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert seen.is_gone()


def _without_other_processes(first_line: Callable[[Path], str]) -> Callable[[Path], str]:
    return lambda path: "" if path.name == "stat" and path.parent.name != str(os.getpid()) else first_line(path)


def test_only_a_file_of_this_machine_tells_an_earlier_boot_from_another_machine_of_that_name() -> None:
    other = replace(Process.this(), boot="another boot")

    assert other.is_gone_from_this_machine()
    assert not other.is_gone()
    assert not replace(other, boot="").is_gone()


def test_a_holder_from_before_the_machine_started_anew_is_not_waited_for(file: Path, clock: Times) -> None:
    before = replace(Process.this(), boot="an earlier boot")
    LocalLock(file, clock, process=lambda: before).take("prod", "7f3a", "ci")

    lease = LocalLock(file, clock).take("prod", "91c2", "ada")

    assert lease.takeover is not None
    assert lease.takeover.reason == "its process has ended"


def test_a_process_that_cannot_be_seen_from_here_counts_as_alive() -> None:
    this = Process.this()

    assert not replace(this, pid=2**22 + 1, space="pid:[1]").is_gone()
    assert not replace(this, host="elsewhere", boot="another machine").is_gone()
    assert not replace(this, host="elsewhere", boot="another machine").is_gone_from_this_machine()
