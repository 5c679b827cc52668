"""Programs that run live and can always be stopped."""

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.adapters.child import Command, KilledError, run
from lgtm_deploy.core.errors import DeadlineError, InterruptedRunError, MissingToolError


def python(code: str, directory: Path, **options: Any) -> Command:
    return Command(
        arguments=[sys.executable, "-u", "-c", code], directory=directory, environment={"ONLY": "this"}, **options
    )


class Stopping:
    """Progress that raises once it has heard a line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __call__(self, line: str) -> None:
        if line == self._line:
            raise InterruptedRunError("Stopped.")


def test_lines_are_told_as_they_come_and_kept_apart(tmp_path: Path) -> None:
    told: list[str] = []
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    done = run(python(code, tmp_path), told.append)

    assert (done.exit_code, done.output, done.errors) == (3, ("out",), ("err",))
    assert sorted(line for line in told if line) == ["err", "out"]


def test_a_quiet_programs_output_is_kept_and_not_told(tmp_path: Path) -> None:
    told: list[str] = []

    done = run(python("print('secret')", tmp_path, quiet=True), told.append)

    assert done.output == ("secret",)
    assert not any(told)


def test_only_the_given_environment_is_passed_on(tmp_path: Path) -> None:
    done = run(python("import os; print(os.environ.get('ONLY'), os.environ.get('HOME'))", tmp_path), lambda _: None)

    assert done.output == ("this None",)


def test_silence_is_told_as_well(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == 3:
            (tmp_path / "go").touch()

    run(python("import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.05)", tmp_path), tell)

    assert set(told) == {""}


def test_a_stop_interrupts_the_program_and_lets_the_error_through(tmp_path: Path) -> None:
    code = """
import pathlib, signal, sys, time
def leave(*_):
    pathlib.Path("left").touch()
    sys.exit(1)
signal.signal(signal.SIGINT, leave)
print("ready")
time.sleep(60)
"""
    with pytest.raises(InterruptedRunError):
        run(python(code, tmp_path), Stopping("ready"))

    assert (tmp_path / "left").exists()


def test_a_program_that_stays_is_killed_with_all_it_started(tmp_path: Path) -> None:
    code = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("pids").write_text(str(child.pid))
print("ready")
time.sleep(60)
"""
    with pytest.raises(KilledError) as killed:
        run(python(code, tmp_path, grace=0.3), Stopping("ready"))

    assert isinstance(killed.value.__cause__, InterruptedRunError)
    assert is_gone(int((tmp_path / "pids").read_text()))


def test_what_a_program_leaves_running_does_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.child.LINGER_SECONDS", 0.2)
    code = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("pids").write_text(str(child.pid))
"""
    assert run(python(code, tmp_path), lambda _: None).exit_code == 0
    assert is_gone(int((tmp_path / "pids").read_text()))


def test_a_program_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(DeadlineError, match="within 0 s"):
        run(python("import time; time.sleep(60)", tmp_path, limit=0.3), lambda _: None)


def test_a_missing_program_is_a_missing_tool(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError):
        run(Command(arguments=["/no/such/program"], directory=tmp_path, environment={}), lambda _: None)


def test_no_thread_outlives_a_stopped_program(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(InterruptedRunError):
        run(python("import time; print('ready'); time.sleep(60)", tmp_path), Stopping("ready"))

    assert not set(threading.enumerate()) - before


def is_gone(pid: int) -> bool:
    """A killed orphan may be a zombie until init takes it."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        with suppress(FileNotFoundError):
            if "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        time.sleep(0.02)
    return False
