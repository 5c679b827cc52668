"""Many `apply` started together on one environment: one runs, and the others say `locked` and name it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.steps.simulation import EXAMPLE, copy_example

pytestmark = pytest.mark.long

ROOT = EXAMPLE.parents[2]
WORDS = ("apply", "prefix-change", "--env", "prod", "--yes", "--anew", "--output", "json")


class Starter:
    """A process that applies the plan when it is told to, on its own cloud and on everybody's state."""

    def __init__(self, folder: Path, rounds: int) -> None:
        command = [sys.executable, "-m", "tests.kills.faked", str(rounds), str(folder / "gate"), *WORDS]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def heard(self, word: str) -> tuple[str, list[dict[str, object]]]:
        """The line that begins with that word, and the events before it."""
        assert self.process.stdout is not None
        events = []
        for line in self.process.stdout:
            if line.startswith(word):
                return line.strip(), events
            events.append(json.loads(line))
        raise AssertionError(self.process.communicate()[1])

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def starters(folder: Path, count: int, rounds: int) -> Iterator[list[Starter]]:
    found = [Starter(folder, rounds) for _ in range(count)]
    try:
        yield found
    finally:
        for each in found:
            each.process.kill()
            each.process.communicate()


@pytest.mark.parametrize("state", ["local", "s3://team-state/lgtm"])
@pytest.mark.parametrize(
    ("processes", "rounds"), [(3, 2), pytest.param(20, 50, marks=[pytest.mark.torture, pytest.mark.timeout(3600)])]
)
def test_of_many_that_are_started_together_one_runs(tmp_path: Path, state: str, processes: int, rounds: int) -> None:
    folder = tmp_path / "stack"
    copy_example(folder)
    file = folder / "lgtm-deploy.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("state: local", f"state: {state}"), encoding="utf-8")

    with starters(folder, processes, rounds) as all_:
        for at in range(rounds):
            for each in all_:
                each.heard("ready")
            for each in all_:
                each.go()
            ended, running = told(all_, folder / f"gate{at}")
            assert sorted(ended) == [0] + [4] * (processes - 1), f"round {at}: {ended}"
            assert len(running) == 1


def told(all_: list[Starter], gate: Path) -> tuple[list[int], set[str]]:
    """How each ended, and the runs that the refused ones name; the one that runs ends when the gate is open."""
    ended, named, ran = [], set(), set()
    with ThreadPoolExecutor(len(all_)) as listeners:
        for heard in as_completed([listeners.submit(each.heard, "exit") for each in all_], timeout=100):
            code, events = heard.result()
            ended.append(int(code.split()[1]))
            if len(ended) == len(all_) - 1:
                # All the others have been refused while one was amid its run.
                gate.touch()
            if ended[-1] == 4:
                assert events[-1]["verdict"] == "locked"
                named.add(str(events[-1]["reason"]).partition("locked by run ")[2].partition(" ")[0])
            else:
                ran |= {str(event["run"]) for event in events}
    assert named == ran
    return ended, ran
