"""A journal whose last words were cut off or torn when the power went: what was committed before them is there."""

import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lgtm_deploy.core.errors import JournalError
from lgtm_deploy.core.event import Event, Record, RunFinished, RunStarted, StepObserved, StepStarted, StepSucceeded
from lgtm_deploy.core.run import Run
from lgtm_deploy.fakes import FakeClock, FakeObjects
from lgtm_deploy.storage.local import LocalJournal
from lgtm_deploy.storage.shared import SharedJournal

AT = datetime(2026, 1, 16, 0, 15, tzinfo=UTC)
RUN = "7f3a"
STEP = "deploy[tempo]"
# https://www.sqlite.org/fileformat2.html#the_write_ahead_log
WAL_HEADER, FRAME_HEADER, PAGE_SIZE_AT = 32, 24, 8

COMMITS: Sequence[Sequence[Event]] = (
    [
        RunStarted(
            at=AT,
            plan="prefix-change",
            plan_digest="ab" * 32,
            stack="lgtm",
            environment="prod",
            by="ci@runner-4",
            steps={STEP: ()},
        )
    ],
    [StepStarted(at=AT, step=STEP, inputs={"service": "tempo"})],
    [StepObserved(at=AT, step=STEP, seen={"task_definition": "tempo:1"}, change="deploy tempo")],
    [
        StepSucceeded(at=AT, step=STEP, attempt=1, seconds=1.0, outputs={"deployment": "d-1"}),
        StepStarted(at=AT, step="await"),
    ],
    [RunFinished(at=AT, verdict="deployed", exit_code=0, seconds=2.0, reason="")],
)


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The files of a journal as they were after a commit, and what it held."""

    main: bytes
    log: bytes
    records: Sequence[Record]

    def laid(self, folder: Path, *, main: bytes | None = None, log: bytes | None = None) -> Path:
        """These files in that folder, or what is left of them."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        file = folder / "state.db"
        file.write_bytes(self.main if main is None else main)
        if log is None or log:
            Path(f"{file}-wal").write_bytes(self.log if log is None else log)
        return file


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> list[Disk]:
    """The files after each commit, while the journal stayed open: all of it stands in the log."""
    file = tmp_path_factory.mktemp("journal") / "state.db"
    journal = LocalJournal(file)
    found = []
    for events in COMMITS:
        journal.append(RUN, 1, events)
        log = Path(f"{file}-wal").read_bytes()
        found.append(Disk(main=file.read_bytes(), log=log, records=journal.records(RUN)))
    journal.close()
    return found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """In memory where there is such a place: thousands of journals are laid out and opened."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as base:
        yield Path(base) / "journal"


def read(file: Path) -> tuple[Sequence[Record], Sequence[str]]:
    """The run's records and the verdicts of the list of runs, as somebody reads them who comes later."""
    journal = LocalJournal(file)
    try:
        return journal.records(RUN), [each.verdict for each in journal.runs(5)]
    finally:
        journal.close()


def verdict_of(records: Sequence[Record]) -> str:
    return Run(id=RUN).folded(record.event for record in records).verdict or ""


def cut(log: bytes, at: int) -> bytes:
    return log[:at]


def zeroed(log: bytes, at: int) -> bytes:
    """The file has its length, and what follows was never written."""
    return log[:at] + bytes(len(log) - at)


def torn(log: bytes, at: int) -> bytes:
    """One byte is another."""
    return log[:at] + bytes([log[at] ^ 0xFF]) + log[at + 1 :]


def stale(log: bytes, at: int) -> bytes:
    """What follows is what stood there before, from an earlier round of the log."""
    earlier = log[WAL_HEADER:] * 2
    return log[:at] + earlier[: len(log) - at]


@pytest.mark.parametrize("damage", [cut, zeroed, torn, stale])
@pytest.mark.parametrize("commit", range(1, len(COMMITS)))
def test_whatever_is_left_of_the_last_commit_the_run_is_as_of_the_one_before(
    disks: list[Disk], folder: Path, commit: int, damage: Callable[[bytes, int], bytes], every_byte: int
) -> None:
    before, after = disks[commit - 1], disks[commit]
    start, end = len(before.log), len(after.log)
    assert end > start

    for at in {*range(start, end, every_byte), *range(start, start + FRAME_HEADER), end - 1}:
        file = after.laid(folder, log=damage(after.log, at))
        records, verdicts = read(file)
        assert list(records) == list(before.records), f"{damage.__name__} at byte {at - start} of {end - start}"
        assert verdicts == [verdict_of(before.records)]


@pytest.fixture(params=[pytest.param(61, id="some"), pytest.param(1, id="all", marks=pytest.mark.torture)])
def every_byte(request: pytest.FixtureRequest) -> int:
    """How far apart the bytes are at which something is damaged."""
    step: int = request.param
    return step


def test_all_of_the_last_commit_is_the_run_as_of_it(disks: list[Disk], folder: Path) -> None:
    for disk in disks:
        records, verdicts = read(disk.laid(folder))
        assert list(records) == list(disk.records)
        assert verdicts == [verdict_of(disk.records)]


def test_a_page_that_was_torn_while_the_log_was_copied_into_the_file_is_copied_again(
    disks: list[Disk], folder: Path, every_byte: int
) -> None:
    last = disks[-1]
    file = last.laid(folder)
    read(file)
    copied = file.read_bytes()
    (size,) = struct.unpack(">I", last.log[PAGE_SIZE_AT : PAGE_SIZE_AT + 4])

    for page in range(len(copied) // size):
        old = last.main[page * size : (page + 1) * size]
        for at in range(0, size, every_byte * 4):
            half = copied[: page * size + at] + old[at:]
            records, verdicts = read(last.laid(folder, main=half))
            assert list(records) == list(last.records), f"page {page}, byte {at}"
            assert verdicts == ["deployed"]


def test_a_file_without_its_log_is_whole_or_says_that_it_is_damaged(
    disks: list[Disk], folder: Path, every_byte: int
) -> None:
    last = disks[-1]
    file = last.laid(folder)
    read(file)
    copied = file.read_bytes()
    (size,) = struct.unpack(">I", last.log[PAGE_SIZE_AT : PAGE_SIZE_AT + 4])

    for at in {0, *range(1, 101), 511, 512, 2000, *range(len(copied) - size, len(copied), every_byte)}:
        file = last.laid(folder, main=copied[:at], log=b"")
        try:
            records, verdicts = read(file)
        except JournalError as error:
            assert "it is damaged" in error.message or "it is cut off" in error.message
            continue
        # Of nothing at all nobody can tell that it was something.
        assert list(records) == (list(last.records) if at else []), f"cut at byte {at}"
        assert verdicts == (["deployed"] if at else [])


# -- in S3, where an object is there or is not -------------------------------------------------------------------------
class Bucket:
    """A store with the run in it, an object for each commit."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.objects = FakeObjects(self.clock)
        for events in COMMITS:
            self.journal().append(RUN, 1, events)
        self.names = sorted(self.objects.names(f"runs/{RUN}/"))

    def journal(self) -> SharedJournal:
        return SharedJournal(self.objects, pause=self.clock.advance)

    def lose(self, name: str) -> None:
        del self.objects._kept[name]

    def damage(self, name: str, body: bytes) -> None:
        self.lose(name)
        assert self.objects.create(name, body)


@pytest.mark.parametrize("left", range(1, len(COMMITS)))
def test_without_its_last_objects_the_run_is_as_of_the_one_before(left: int, disks: list[Disk]) -> None:
    bucket = Bucket()
    for name in bucket.names[left:]:
        bucket.lose(name)

    records = bucket.journal().records(RUN)

    assert list(records) == list(disks[left - 1].records)
    written = bucket.journal().append(RUN, 2, COMMITS[left])
    assert [each.seq for each in written] == [each.seq for each in disks[left].records[len(records) :]]


@pytest.mark.parametrize("lost", range(len(COMMITS) - 1))
def test_an_object_that_is_missing_between_others_is_named(lost: int) -> None:
    bucket = Bucket()
    bucket.lose(bucket.names[lost])

    with pytest.raises(JournalError, match="missing"):
        bucket.journal().records(RUN)


@pytest.mark.parametrize("which", range(len(COMMITS)))
def test_an_object_that_is_cut_off_anywhere_is_said_to_be_damaged(which: int) -> None:
    bucket = Bucket()
    name = bucket.names[which]
    found = bucket.objects.get(name)
    assert found is not None

    for at in range(len(found.body) - 1):
        bucket.damage(name, found.body[:at])
        with pytest.raises(JournalError):
            bucket.journal().records(RUN)


def test_a_list_of_runs_that_is_cut_off_is_said_to_be_damaged() -> None:
    bucket = Bucket()
    [name] = bucket.objects.names("index/")
    found = bucket.objects.get(name)
    assert found is not None

    for at in range(len(found.body)):
        bucket.damage(name, found.body[:at])
        with pytest.raises(JournalError, match="damaged or cut off"):
            bucket.journal().runs(5)
