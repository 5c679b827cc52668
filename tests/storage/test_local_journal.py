"""The journal on this machine: what it survives."""

import fcntl
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import JournalBusyError, JournalError
from lgtm_deploy.core.event import Record, StepProgressed
from lgtm_deploy.storage.local import LocalJournal

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from lgtm_deploy.core.event import StepProgressed
from lgtm_deploy.storage.local import LocalJournal

journal = LocalJournal(Path(sys.argv[1]))
run, batch, times = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for _ in range(times):
    now = datetime.now(UTC)
    written = journal.append(run, 1, [StepProgressed(at=now, step="s", message="x" * 100) for _ in range(batch)])
    print(written[-1].seq, flush=True)
"""


def progressed(message: str = "waiting") -> StepProgressed:
    return StepProgressed(at=datetime(2026, 1, 16, tzinfo=UTC), step="deploy[tempo]", message=message)


def writer(file: Path, run: str, batch: int, times: int, *wrapper: str) -> subprocess.Popen[str]:
    command = [*wrapper, sys.executable, "-c", WRITER, str(file), run, str(batch), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def journal(file: Path) -> Iterator[LocalJournal]:
    journal = LocalJournal(file)
    yield journal
    journal.close()


def test_only_its_owner_can_read_the_file(journal: LocalJournal, file: Path) -> None:
    journal.append("7f3a", 1, [progressed()])

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()}

    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert file.name in modes


@pytest.mark.long
def test_kill_9_loses_nothing_that_was_announced(file: Path) -> None:
    chance = random.Random(7)
    for kill in range(20):
        child = writer(file, f"run{kill}", batch=3, times=100_000)
        assert child.stdout is not None
        announced = 0
        for _ in range(chance.randint(1, 120)):
            announced = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read()
        child.communicate()
        announced = max([announced, *map(int, re.findall(r"(\d+)\n", rest))])

        journal = LocalJournal(file)
        numbers = [record.seq for record in journal.records(f"run{kill}")]
        journal.close()

        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= announced
        assert len(numbers) % 3 == 0, "events that were appended together are there together"


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the syncs")
def test_one_append_is_one_sync_however_many_events(file: Path, tmp_path: Path) -> None:
    def syncs(times: int) -> int:
        trace = tmp_path / f"trace{times}"
        child = writer(file, "7f3a", 3, times, "strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace))
        _, complaint = child.communicate()
        if child.returncode != 0:
            pytest.skip(f"strace may not trace here: {complaint[-200:]}")
        return len(re.findall(r"\bf(?:data)?sync\(", trace.read_text()))

    syncs(1)

    assert syncs(21) - syncs(1) == 20


def test_the_log_is_written_over_and_does_not_grow(file: Path, journal: LocalJournal) -> None:
    log = file.with_name(f"{file.name}-wal")
    sizes = []
    for number in range(300):
        journal.append("7f3a", 1, [progressed(f"{number} of 300")])
        sizes.append(log.stat().st_size)

    page = 4096
    assert max(sizes) < 80 * page
    assert sizes[-1] == sizes[150], "it has reached its size"
    assert len(journal.records("7f3a")) == 300


def test_two_processes_and_two_threads_write_one_run_without_gaps(file: Path) -> None:
    journal = LocalJournal(file)
    children = [writer(file, "7f3a", 2, 25) for _ in range(2)]
    threads = [
        threading.Thread(target=lambda: [journal.append("7f3a", 1, [progressed()]) for _ in range(25)])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for child in children:
        _, complaint = child.communicate()
        assert child.returncode == 0, complaint

    assert [record.seq for record in journal.records("7f3a")] == list(range(1, 151))
    journal.close()


def test_reading_while_another_thread_writes_sees_whole_appends(journal: LocalJournal) -> None:
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(len(journal.records("7f3a")))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        journal.append("7f3a", 1, [progressed(), progressed()])
    done.set()
    reader.join()

    assert seen == sorted(seen)
    assert all(count % 2 == 0 for count in seen)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(journal: LocalJournal, announced: list[Record]) -> str:
    with pytest.raises(JournalError) as failure:
        for _ in range(10_000):
            announced.extend(journal.append("7f3a", 1, [progressed("x" * 1000)]))
    return str(failure.value)


def test_a_file_that_may_not_grow_fails_in_one_line_and_keeps_what_was_announced(journal: LocalJournal) -> None:
    announced = list(journal.append("7f3a", 1, [progressed()]))

    with largest_file(200_000):
        complaint = fill(journal, announced)

    assert "cannot be used: reading or writing failed" in complaint
    assert "\n" not in complaint
    assert list(journal.records("7f3a")) == announced
    assert journal.append("7f3a", 1, [progressed()])[0].seq == len(announced) + 1


def test_a_full_disk_fails_in_one_line_and_keeps_what_was_announced(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    journal = LocalJournal(disk / "journal.db")
    try:
        announced = list(journal.append("7f3a", 1, [progressed()]))
        complaint = fill(journal, announced)

        assert "the disk is full" in complaint
        assert "\n" not in complaint
        assert list(journal.records("7f3a")) == announced
    finally:
        journal.close()
        subprocess.run(["umount", str(disk)], check=True)


def test_damage_is_told_in_one_line(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"not a journal, but long enough to be one" * 100)

    with pytest.raises(JournalError, match="it is damaged") as failure:
        LocalJournal(file).records("7f3a")

    assert "\n" not in str(failure.value)


def test_a_damaged_page_is_told_and_not_skipped(file: Path) -> None:
    journal = LocalJournal(file)
    journal.append("7f3a", 1, [progressed("x" * 500) for _ in range(100)])
    journal.close()
    content = bytearray(file.read_bytes())
    content[4096:-4096] = bytes(len(content) - 2 * 4096)
    file.write_bytes(bytes(content))

    damaged = LocalJournal(file)
    with pytest.raises(JournalError, match="damaged"):
        damaged.records("7f3a")
    damaged.close()


def test_a_journal_of_a_newer_program_is_refused(journal: LocalJournal, file: Path) -> None:
    journal.append("7f3a", 1, [progressed()])
    journal.close()
    other = sqlite3.connect(file)
    other.execute("PRAGMA user_version = 99")
    other.close()

    with pytest.raises(JournalError, match="newer lgtm-deploy"):
        journal.records("7f3a")


def test_a_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(JournalError, match=r"File exists|Not a directory"):
        LocalJournal(tmp_path / "state" / "journal.db").append("7f3a", 1, [progressed()])


def test_an_event_that_is_not_json_writes_nothing_of_its_append(journal: LocalJournal) -> None:
    from lgtm_deploy.core.event import StepStarted

    bad = StepStarted(at=datetime(2026, 1, 16, tzinfo=UTC), step="push[tempo]", inputs={"path": Path("x")})

    with pytest.raises(JournalError, match=r"StepStarted of 'push\[tempo\]' cannot be written"):
        journal.append("7f3a", 1, [progressed(), bad])

    assert list(journal.records("7f3a")) == []


def test_a_process_that_was_stopped_amid_opening_is_not_waited_for_without_end(file: Path) -> None:
    journal = LocalJournal(file, patience=0.1)
    file.parent.mkdir()
    opening = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(opening, fcntl.LOCK_EX)

    with pytest.raises(JournalBusyError, match=r"another process keeps it busy\. Try again; let a lgtm-deploy"):
        journal.records("7f3a")
    os.close(opening)

    assert list(journal.records("7f3a")) == []
    journal.close()


def test_many_processes_may_create_the_file_together(file: Path) -> None:
    children = [writer(file, f"run{number}", 1, 1) for number in range(8)]
    for child in children:
        _, complaint = child.communicate()
        assert child.returncode == 0, complaint

    journal = LocalJournal(file)
    assert [len(journal.records(f"run{number}")) for number in range(8)] == [1] * 8
    journal.close()


def test_a_killed_writer_leaves_no_lock_behind(file: Path, journal: LocalJournal) -> None:
    child = writer(file, "7f3a", 1, 100_000)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.communicate()

    assert journal.append("91c2", 1, [progressed()])[0].seq == 1
