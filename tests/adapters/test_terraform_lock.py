"""State locks: waited for, named, journaled, and given back only where they are this run's own and left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.adapters.terraform_lock import Ownership
from lgtm_deploy.core.errors import DeadlineError, InDoubtError, TransientError
from lgtm_deploy.core.ports import Noted, PlannedChanges
from lgtm_deploy.storage.process import Process, has_ended
from tests.adapters.state_store import Store, served

pytestmark = pytest.mark.long

MAIN = """
variable "path" {
  type    = string
  default = "/ready"
}
resource "terraform_data" "check" {
  input = var.path
  provisioner "local-exec" {
    interpreter = ["PYTHON", "-c"]
    command     = "COMMAND"
  }
}
"""


class Root:
    """A root whose state is in the store, and a run that remembers `taken` locks."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder / "50-alb"
        self.folder.mkdir()
        self.store = store
        self.told: list[str] = []
        self.taken: Mapping[str, str] = {}
        self.workspace = folder / "workspace"
        self.out = folder / "run" / "alb.tfplan"
        self.go = folder / "go"
        self.write("pass")
        self.terraform = self.made()
        self.terraform.init(self.folder, [], self.told.append)

    def write_slow(self) -> None:
        """An apply lasts until `go` is there; or two minutes."""
        waits = f"[time.sleep(0.05) for _ in range(2400) if not pathlib.Path('{self.go}').exists()]"
        self.write(f"import pathlib, time; {waits}")

    def write(self, command: str) -> None:
        text = MAIN.replace("PYTHON", sys.executable).replace("COMMAND", command)
        (self.folder / "main.tf").write_text(text + self.store.backend)

    def made(self, lock_timeout: float = 3600.0) -> TerraformInfrastructure:
        ownership = Ownership(name=lambda pid: str(Process.of(pid)), is_gone=has_ended, taken=lambda: self.taken)
        return TerraformInfrastructure(
            workspace=self.workspace, environment=os.environ, lock_timeout=lock_timeout, ownership=ownership
        )

    def plan(self) -> PlannedChanges:
        return self.terraform.plan(self.folder, [], {}, self.out, self.told.append)

    @property
    def noted(self) -> list[Noted]:
        return [each for each in self.told if isinstance(each, Noted)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Root]:
    monkeypatch.setattr("lgtm_deploy.adapters.terraform.LOCK_POLL", 0.3)
    with served() as store:
        yield Root(tmp_path, store)


def gone() -> str:
    """A process that has ended."""
    with subprocess.Popen(["sleep", "60"]) as child:
        known = str(Process.of(child.pid))
        child.kill()
    return known


def test_a_held_lock_is_waited_for_and_its_holder_named(root: Root) -> None:
    root.store.hold()

    def let_go(line: str) -> None:
        root.told.append(line)
        if line.startswith("waiting for"):
            root.store.let_go()

    planned = root.terraform.plan(root.folder, [], {}, root.out, let_go)

    assert len(planned.changes) == 1
    held = "ci@runner-4 (lock 11111111-2222-3333-4444-555555555555, apply, since 2026-01-16 00:15:04 UTC)"
    assert f"waiting for the state's lock, held by {held}" in root.told
    assert root.store.unlocked == [root.store.taken[-1]["ID"]]


@pytest.mark.parametrize("late", [DeadlineError("not done after 60 s"), InDoubtError("not done after 60 s")])
def test_a_lock_that_outlasts_the_steps_time_is_a_failure_that_names_its_holder(root: Root, late: Exception) -> None:
    planned = root.plan()
    root.store.hold()

    def end(line: str) -> None:
        if line.startswith("waiting for"):
            raise late

    with pytest.raises(DeadlineError, match=r"still locked by ci@runner-4 \(lock 1111.*not done after 60 s"):
        root.terraform.apply(root.folder, planned, end)
    assert root.store.lock["Who"] == "ci@runner-4"


def test_an_applys_own_lock_is_told_with_its_process(root: Root) -> None:
    root.write_slow()
    planned = root.plan()
    alive: list[bool] = []

    def tell(line: str) -> None:
        root.told.append(line)
        if isinstance(line, Noted):
            alive.append(not has_ended(line.facts["process"]))
            root.go.touch()

    root.terraform.apply(root.folder, planned, tell)

    [noted] = root.noted
    assert noted.facts["state_lock"] == root.store.taken[-1]["ID"]
    assert alive == [True]
    assert has_ended(noted.facts["process"])
    # Whoever looked has taken no lock.
    assert [each["Operation"] for each in root.store.taken] == ["OperationTypePlan", "OperationTypeApply"]


def test_a_lock_that_this_run_left_behind_is_given_back(root: Root) -> None:
    root.store.hold()
    root.taken = {root.store.lock["ID"]: gone()}

    root.plan()

    assert root.store.unlocked[0] == "11111111-2222-3333-4444-555555555555"
    assert any(line.startswith("giving back the state's lock 1111") for line in root.told)


@pytest.mark.parametrize("whose", ["another run's", "alive", "unreadable"])
def test_any_other_lock_is_named_and_left(root: Root, whose: str) -> None:
    root.store.hold()
    process = {"another run's": gone(), "alive": str(Process.this()), "unreadable": "nobody"}[whose]
    root.taken = {"another-id" if whose == "another run's" else root.store.lock["ID"]: process}
    root.terraform = root.made(lock_timeout=0)

    with pytest.raises(TransientError, match=r"locked by ci@runner-4 \(lock 1111"):
        root.plan()

    assert root.store.unlocked == []
    assert root.store.lock["Who"] == "ci@runner-4"


def test_a_lock_that_cannot_be_taken_at_all_has_no_holder(root: Root) -> None:
    root.store.denies_locks = True

    with pytest.raises(TransientError, match=r"the state's lock cannot be taken: .*AccessDenied"):
        root.plan()


DEPLOYER = """
import os, sys
from pathlib import Path
from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.core.ports import PlannedChanges
root, workspace, file, sha256 = sys.argv[1:]
terraform = TerraformInfrastructure(workspace=Path(workspace), environment=os.environ)
planned = PlannedChanges(file=Path(file), sha256=sha256, changes=())
terraform.apply(Path(root), planned, lambda line: print(line, flush=True) if line else None)
"""


def test_terraform_ends_in_order_when_the_tool_is_killed(root: Root) -> None:
    root.write_slow()
    planned = root.plan()
    words = [sys.executable, "-c", DEPLOYER, root.folder, root.workspace, planned.file, planned.sha256]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True) as deployer:
        assert deployer.stdout
        assert any("Creating..." in line for line in deployer.stdout)
        deployer.send_signal(signal.SIGKILL)
    held = root.store.lock["ID"]
    root.go.touch()

    deadline = time.monotonic() + 60
    while root.store.lock and time.monotonic() < deadline:
        time.sleep(0.1)

    assert root.store.unlocked[-1] == held
    assert root.plan().changes == ()
