"""A process that is stopped while it deploys, loses its lock meanwhile, and wakes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.core.errors import JournalBusyError
from lgtm_deploy.core.event import LockTakenOver, RunFinished
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.lease import LockRequest, keep_lease
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from lgtm_deploy.storage.local.database import Database

ROOT = Path(__file__).resolve().parents[2]
SECONDS, GRACE = 3.0, 0.5

DEPLOYER = """
import sys
import time
from dataclasses import replace
from pathlib import Path
from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.core.errors import LockLostError
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.lease import LeaseKeeper
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.storage.local import LocalJournal, LocalLock
from tests.engine.acting import act
from tests.engine.toys import Stage, Toy, World

file, changed, seconds, grace = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
world, clock = World(), SystemClock()

def change(toy, progress):
    with changed.open("a") as out:
        out.write(toy.name + "\\n")
    time.sleep(0.02)

chain = {f"s{index}": [f"s{index - 1}"] if index else [] for index in range(1_000)}
stage = Stage(chain, *(Toy(world, name, before=change) for name in chain), world=world)
lock = LocalLock(file, clock, seconds=seconds, grace=grace)
asked = clock.monotonic()
lease = lock.take("prod", "7f3a", "ci")
keeper = LeaseKeeper(lock, lease, since=asked, clock=clock, stop=stage.stop, beat=0.1, call=grace)
writer = JournalWriter(Run(id="7f3a"), LocalJournal(file), keeper.lease.fence)
stage.job = replace(stage.job, writer=writer, guard=keeper.check, environment="prod")
print("begins", flush=True)
try:
    with keeper.renewing():
        act(stage)
except LockLostError as error:
    print(error.message, flush=True)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "state.db"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    return tmp_path / "changed"


@pytest.fixture
def deployer(file: Path, changed: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", DEPLOYER, str(file), str(changed), str(SECONDS), str(GRACE)]
    child = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT
    )
    yield child
    child.kill()
    child.communicate()


def stop_between_writes(deployer: subprocess.Popen[str], file: Path) -> None:
    """Stops it where it holds nothing of the file: SQLite lets nobody else write while one amid a write is stopped."""
    while True:
        deployer.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, deployer.pid, os.WSTOPPED | os.WNOWAIT)
        database = Database(file, patience=0.0)
        try:
            with database.writing():
                return
        except JournalBusyError:
            deployer.send_signal(signal.SIGCONT)
        finally:
            database.close()


@pytest.mark.timeout(120)
def test_a_stopped_deployment_that_was_taken_over_writes_and_changes_nothing_when_it_wakes(
    file: Path, changed: Path, deployer: subprocess.Popen[str]
) -> None:
    assert deployer.stdout is not None
    assert deployer.stdout.readline() == "begins\n"
    clock, stop = SystemClock(), CancellationToken()
    journal = LocalJournal(file)
    while not changed.exists():
        assert deployer.poll() is None, "it ended before it was stopped"
        stop.pause(0.05)
    stop_between_writes(deployer, file)
    lock = LocalLock(file, clock, seconds=SECONDS, grace=GRACE)

    with keep_lease(
        lock, LockRequest(environment="prod", run="91c2", holder="ada", wait=60), clock=clock, stop=stop
    ) as keeper:
        before, did = list(journal.records("7f3a")), changed.read_text()
        deployer.send_signal(signal.SIGCONT)
        said = deployer.stdout.readline()
        deployer.wait(30)
        held_still = lock.holder("prod")

    after = list(journal.records("7f3a"))
    assert "7f3a" in said
    assert after == before
    told = after[-1].event
    assert isinstance(told, LockTakenOver)
    assert (told.from_run, told.to_run, told.fence) == ("7f3a", "91c2", keeper.lease.fence)
    assert not any(isinstance(record.event, RunFinished) for record in after)
    # The one change that was under way when it was stopped may land.
    assert changed.read_text().removeprefix(did).count("\n") <= 1
    assert held_still is not None
    assert held_still.run == "91c2"
    journal.close()
    lock.close()
