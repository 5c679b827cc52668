"""Processes that outlive the command that started them."""

import os
import signal
from pathlib import Path

import pytest

from lgtm_deploy.sandbox import child


def silent(_text: str) -> None:
    return


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "process.pid"


def start(record: Path, tmp_path: Path, *command: str) -> child.Child:
    child.start(command, record=record, log=tmp_path / "log", environment=dict(os.environ), directory=tmp_path)
    found = child.recorded(record)
    assert found is not None
    return found


def test_a_started_program_is_found_by_its_record_and_stopped_gently(record: Path, tmp_path: Path) -> None:
    started = start(record, tmp_path, "sleep", "60")
    assert Path(f"/proc/{started.pid}/cmdline").exists()
    assert started.stop(5, silent)
    assert child.recorded(record) is None


def test_a_program_that_cannot_be_recorded_is_not_started(record: Path, tmp_path: Path) -> None:
    record.with_name(record.name + ".new").mkdir(parents=True)
    mark = tmp_path / "mark"
    child.start(
        ["touch", str(mark)], record=record, log=tmp_path / "log", environment=dict(os.environ), directory=tmp_path
    )
    assert child.recorded(record) is None
    assert not mark.exists()
    assert "directory" in child.last_lines(tmp_path / "log").lower()


def test_a_program_that_ignores_the_gentle_signal_is_killed(record: Path, tmp_path: Path) -> None:
    started = start(
        record, tmp_path, "python3", "-c", "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"
    )
    # The interpreter needs a moment before it ignores anything.
    while not _ignores(started.pid, signal.SIGTERM):
        pass
    assert not started.stop(0.2, silent)
    assert not started.runs()


def _ignores(pid: int, number: signal.Signals) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(line.split()[1] for line in lines if line.startswith("SigIgn:"))
    return bool(int(mask, 16) & (1 << (number - 1)))


def test_a_recycled_process_id_is_not_taken_for_the_program(record: Path) -> None:
    child.record_self(record)
    mine = child.recorded(record)
    assert mine is not None
    assert mine.pid == os.getpid()
    other = child.Child(pid=mine.pid, started=str(int(mine.started) - 1))
    assert not other.runs()
    # Nobody is hit.
    other.signal(signal.SIGKILL)


def test_a_record_from_before_the_last_boot_names_nobody(record: Path) -> None:
    child.record_self(record)
    boot, rest = record.read_text().split("\n", 1)
    record.write_text(f"{boot[::-1]}\n{rest}")
    assert child.recorded(record) is None


@pytest.mark.parametrize("content", ["", "half a li", "\n\n", "boot\n1 (sh"])
def test_a_damaged_record_names_nobody(record: Path, content: str) -> None:
    record.parent.mkdir()
    record.write_text(content)
    assert child.recorded(record) is None


def test_a_program_that_ends_at_once_leaves_its_last_words(record: Path, tmp_path: Path) -> None:
    child.start(
        ["sh", "-c", "echo first; echo cannot start >&2"],
        record=record,
        log=tmp_path / "log",
        environment=dict(os.environ),
        directory=tmp_path,
    )
    while "cannot" not in child.last_lines(tmp_path / "log"):
        pass
    assert child.last_lines(tmp_path / "log", 1) == "cannot start"


def test_a_process_that_works_shows_it(record: Path, tmp_path: Path) -> None:
    idle = start(record, tmp_path, "sleep", "60")
    assert child.signs_of_work(record, tmp_path / "log") == {("log", 0), ("seconds", 0)}
    idle.kill(silent)
    busy = start(record, tmp_path, "python3", "-uc", "print('up')\nwhile True: pass")

    while busy.work_seconds < 1:
        pass

    signs = dict(child.signs_of_work(record, tmp_path / "log"))
    busy.kill(silent)
    assert signs["log"] == len("up\n")
    assert signs["seconds"] >= 1
