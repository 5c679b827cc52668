"""`python -m tests.kills.faked ROUNDS GATE WORDS...`: the command line itself, on a cloud in memory and real state.

It says `ready`, waits for a line, runs the words, says how that ended (`exit N`), and so on for as many rounds. With a
gate it changes nothing outside before the file `GATE` followed by the round's number is there. State in S3 is kept in a
folder that stands for the bucket.
"""

import fcntl
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lgtm_deploy.adapters.clock import SystemClock
from lgtm_deploy.cli import app, memory, running, wiring
from lgtm_deploy.core.ports import Ports, StoredObject
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.fakes import FakeCloud, fake_ports, lay
from tests.kills.mortal import CHANGES
from tests.steps.simulation import EventfulClock, SimulatedToken


class FolderObjects:
    """An object store of files, for several processes; conditional writes are made one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> StoredObject | None:
        try:
            body = self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        now = datetime.now(UTC).replace(microsecond=0)
        modified = datetime.fromtimestamp(int(self._file(name).stat().st_mtime), UTC)
        return StoredObject(body=body, tag=hashlib.sha256(body).hexdigest(), modified=modified, seen=now)

    def create(self, name: str, body: bytes) -> str | None:
        return self._written(name, body, lambda found: found is None)

    def replace(self, name: str, body: bytes, tag: str) -> str | None:
        return self._written(name, body, lambda found: found is not None and found.tag == tag)

    def names(self, prefix: str, *, after: str = "", limit: int | None = None) -> Sequence[str]:
        files = sorted(each.name.replace("%", "/") for each in self._folder.iterdir() if not each.name.startswith("."))
        found = [name for name in files if name.startswith(prefix) and name > after]
        return found if limit is None else found[: max(limit, 0)]

    def _written(self, name: str, body: bytes, admitted: Callable[[StoredObject | None], bool]) -> str | None:
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not admitted(self.get(name)):
                return None
            half = self._folder / ".half"
            half.write_bytes(body)
            half.rename(self._file(name))
        return hashlib.sha256(body).hexdigest()

    def _file(self, name: str) -> Path:
        return self._folder / name.replace("/", "%")


def join(gate: Callable[[], object], *, lay_out: Callable[[FakeCloud], object] = lambda _: None) -> None:
    """From now on the command line sees a cloud in memory, a new one for each run; `gate` opens before it changes."""
    clock = EventfulClock()

    def ports(stack: Stack, workspace: Path) -> Ports:
        cloud = lay(stack, clock)
        lay_out(cloud)
        perform = cloud.perform

        def gated(name: str, act: Callable[[], Any], /, **arguments: Any) -> Any:
            if name in CHANGES:
                gate()
            return perform(name, act, **arguments)

        cloud.perform = gated  # type: ignore[method-assign]
        return fake_ports(stack, cloud, workspace)

    def sights(stack: Stack) -> wiring.Sights:
        seen = ports(stack, Path())
        return wiring.Sights(host=seen.host, rollouts=seen.rollouts, balancer=seen.balancer, caller=seen.caller)

    lock = memory.lock
    wiring.sights = sights
    wiring.ports = lambda stack, _, workspace: ports(stack, workspace)
    memory.lock = lambda stack, _: lock(stack, SystemClock())
    memory._objects = lambda stack: FolderObjects(stack.directory / ".bucket")
    running.CancellationToken = lambda: SimulatedToken(clock)  # type: ignore[misc,assignment]


def main() -> None:
    rounds, gate, words = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    at = 0

    def wait() -> None:
        end = time.monotonic() + 60
        while gate and not Path(f"{gate}{at}").exists() and time.monotonic() < end:
            time.sleep(0.02)

    join(wait)
    while at < rounds:
        print("ready", flush=True)
        sys.stdin.readline()
        print("exit", app.run(words), flush=True)
        at += 1


if __name__ == "__main__":
    main()
