"""A local state that was truncated, replaced or lost is refused, with the way back; Terraform itself shows why."""

import json
import os
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.core.errors import InDoubtError, PermanentError, TransientError
from lgtm_deploy.core.ports import PlannedChanges
from tests.adapters.holding import held_by_another

MAIN = """
variable "path" { type = string }
resource "terraform_data" "check" { input = var.path }
"""
ELSEWHERE = """
terraform {
  backend "local" {
    path = "../kept/alb.tfstate"
  }
}
"""


class Root:
    """A root whose state is in a local file, applied once."""

    def __init__(self, folder: Path, main: str, state: Path) -> None:
        self.folder = folder / "50-alb"
        self.folder.mkdir()
        (self.folder / "main.tf").write_text(main)
        self.state = state
        self.workspace = folder / "workspace"
        self.out = folder / "run" / "alb.tfplan"
        self.terraform = TerraformInfrastructure(workspace=self.workspace, environment=os.environ, lock_timeout=0)
        self.terraform.init(self.folder, [], lambda _: None)
        self.apply(self.plan("/ready"))

    def plan(self, path: str) -> PlannedChanges:
        return self.terraform.plan(self.folder, [], {"path": path}, self.out, lambda _: None)

    def apply(self, plan: PlannedChanges) -> None:
        self.terraform.apply(self.folder, plan, lambda _: None)

    @property
    def copies(self) -> list[Path]:
        return sorted(self.workspace.rglob("before-apply.tfstate"))

    @property
    def serial(self) -> int:
        return int(json.loads(self.state.read_text())["serial"])

    def killed_while_writing(self) -> None:
        """What a kill at the worst moment leaves: a file that was truncated and not yet written."""
        planned = self.plan("/tempo/ready")
        dying = self.out.with_name("terraform")
        dying.write_text(f"#!/bin/sh\n: > {shlex.quote(str(self.state))}\nkill -9 $$\n")
        dying.chmod(0o755)
        killed = TerraformInfrastructure(
            workspace=self.workspace, environment={**os.environ, "PATH": str(dying.parent)}, lock_timeout=0
        )
        with pytest.raises(InDoubtError, match="ended by signal 9"):
            killed.apply(self.folder, planned, lambda _: None)


@pytest.fixture(params=["beside the root", "where the backend says"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Root]:
    if request.param == "beside the root":
        yield Root(tmp_path, MAIN, tmp_path / "50-alb" / "terraform.tfstate")
    else:
        yield Root(tmp_path, MAIN + ELSEWHERE, tmp_path / "kept" / "alb.tfstate")


def terraform(root: Root, *words: str) -> str:
    data = next((root.workspace / "terraform").iterdir())
    environment = {**os.environ, "TF_DATA_DIR": str(data)}
    done = subprocess.run(
        ["terraform", *words], cwd=root.folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_terraform_itself_would_create_everything_again_from_an_empty_state(root: Root) -> None:
    root.state.write_bytes(b"")

    assert "1 to add" in terraform(root, "plan", "-no-color", "-input=false", "-var", "path=/ready")


def test_an_empty_state_is_refused_before_a_plan_and_before_an_apply(root: Root) -> None:
    planned = root.plan("/other")
    root.state.with_name(f"{root.state.name}.backup").unlink(missing_ok=True)
    root.state.write_bytes(b"")

    with pytest.raises(PermanentError, match="is empty: Terraform would create everything again") as refused:
        root.apply(planned)
    with pytest.raises(PermanentError, match="is empty"):
        root.plan("/ready")

    assert "\n" not in str(refused.value)
    assert "There is no copy here" in refused.value.resolution
    assert root.state.read_bytes() == b""


def test_terraforms_own_copy_is_named_where_there_is_no_other(root: Root) -> None:
    root.apply(root.plan("/tempo/ready"))
    root.state.write_bytes(b"")

    with pytest.raises(PermanentError, match=r"\(Terraform's own\): `cp .*backup "):
        root.plan("/ready")


def test_after_a_kill_the_copy_is_named_put_back_and_gone_when_all_is_well(root: Root) -> None:
    before = root.state.read_bytes()
    root.killed_while_writing()
    [copy] = root.copies
    assert copy.read_bytes() == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700

    with pytest.raises(PermanentError) as refused:
        root.plan("/ready")
    command = refused.value.resolution.split("`")[1]
    subprocess.run(shlex.split(command), check=True)

    assert root.plan("/ready").changes == ()
    assert root.copies == []


def test_no_copy_is_left_by_an_apply_that_ended(root: Root) -> None:
    root.apply(root.plan("/tempo/ready"))

    assert root.copies == []
    assert root.plan("/tempo/ready").changes == ()


def test_a_copy_is_there_while_terraform_applies(root: Root) -> None:
    found: list[Path] = []
    planned = root.plan("/tempo/ready")

    root.terraform.apply(root.folder, planned, lambda _: found.extend(root.copies))

    assert found


def test_a_torn_state_is_refused(root: Root) -> None:
    root.state.write_bytes(root.state.read_bytes()[:40])

    with pytest.raises(PermanentError, match="is damaged"):
        root.plan("/ready")


def test_a_state_with_another_lineage_is_refused_until_it_is_said_to_be_meant(root: Root) -> None:
    changed = json.loads(root.state.read_text())
    changed["lineage"] = "5e1f0000-0000-0000-0000-000000000000"
    root.state.write_text(json.dumps(changed))

    with pytest.raises(PermanentError, match="is another one: its lineage is 5e1f") as refused:
        root.plan("/ready")
    subprocess.run(shlex.split(refused.value.resolution.split("`")[-2]), check=True)

    assert root.plan("/ready").changes == ()


def test_an_older_state_is_refused(root: Root) -> None:
    older = root.state.read_bytes()
    root.apply(root.plan("/tempo/ready"))
    latest = root.serial
    root.state.write_bytes(older)

    with pytest.raises(PermanentError, match=f"is an older one: its serial is {root.serial}, it was {latest}"):
        root.plan("/ready")


def test_a_newer_state_of_the_same_lineage_is_somebody_elses_good_work(root: Root) -> None:
    terraform(root, "apply", "-no-color", "-input=false", "-auto-approve", "-var", "path=/by-hand")

    assert root.plan("/by-hand").changes == ()


def test_a_state_that_is_gone_is_refused(root: Root) -> None:
    root.state.unlink()

    with pytest.raises(PermanentError, match="is gone"):
        root.plan("/ready")


def test_whoever_writes_the_state_now_is_named_and_not_blamed(root: Root) -> None:
    with held_by_another(root.state, truncated=True), pytest.raises(TransientError, match="locked by ci@runner-4"):
        root.plan("/ready")
