"""Terraform itself, on roots that need no provider."""

import hashlib
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.adapters.terraform_lock_file import lent_lock_file
from lgtm_deploy.core.errors import (
    InDoubtError,
    InterruptedRunError,
    LockLostError,
    MissingToolError,
    PermanentError,
    TransientError,
)
from lgtm_deploy.core.ports import PlannedChanges
from tests.adapters.holding import held_by_another

MAIN = """
variable "path" { type = string }
variable "token" {
  type      = string
  default   = "canary-default"
  sensitive = true
}
resource "terraform_data" "check" { input = var.path }
resource "terraform_data" "token" { input = var.token }
output "path" { value = var.path }
"""

SLOW = """
resource "terraform_data" "slow" {
  provisioner "local-exec" {
    interpreter = ["PYTHON", "-u", "-c"]
    command     = "CODE"
  }
}
"""


class Root:
    """A root module with a Terraform of its own."""

    def __init__(self, folder: Path, main: str = MAIN) -> None:
        self.folder = folder / "50-alb"
        self.folder.mkdir(parents=True)
        self.main = self.folder / "main.tf"
        self.main.write_text(main)
        self.workspace = folder / "workspace"
        self.out = folder / "run" / "alb.tfplan"
        self.told: list[str] = []
        self.terraform = self.made()

    def made(self, **environment: str) -> TerraformInfrastructure:
        return TerraformInfrastructure(
            workspace=self.workspace, environment={**os.environ, **environment}, lock_timeout=0
        )

    def tell(self, line: str) -> None:
        self.told += [line] if line else []

    def plan(self, path: str = "/ready", **variables: str) -> PlannedChanges:
        return self.terraform.plan(self.folder, [], {"path": path, **variables}, self.out, self.tell)

    def apply(self, plan: PlannedChanges) -> None:
        self.terraform.apply(self.folder, plan, self.tell)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    made = Root(tmp_path)
    made.terraform.init(made.folder, [], made.tell)
    return made


def test_a_plan_is_shown_applied_and_then_nothing_is_left_to_change(root: Root) -> None:
    planned = root.plan("/ready")
    root.apply(planned)
    moved = root.plan("/tempo/ready")

    assert [(found.address, found.actions) for found in planned.changes] == [
        ("terraform_data.check", ("create",)),
        ("terraform_data.token", ("create",)),
    ]
    [change] = moved.changes
    assert (change.actions, change.before["input"], change.after["input"]) == (("update",), "/ready", "/tempo/ready")
    root.apply(moved)
    assert root.plan("/tempo/ready").changes == ()


def test_output_is_told_live_and_without_secrets(root: Root) -> None:
    planned = root.plan(token="canary-given")
    root.apply(planned)

    assert any("Apply complete" in line for line in root.told)
    assert "canary" not in "\n".join(root.told)
    assert "canary" not in str(planned)


def test_plan_files_are_private_and_nothing_else_is_left(root: Root) -> None:
    planned = root.plan()

    assert stat.S_IMODE(planned.file.stat().st_mode) == 0o600
    assert [file.name for file in planned.file.parent.iterdir()] == ["alb.tfplan"]


def test_the_users_tree_is_not_written_to(root: Root) -> None:
    root.plan()

    assert [file.name for file in root.folder.iterdir()] == ["main.tf"]


def test_variables_win_over_files_and_may_be_structures(root: Root) -> None:
    root.main.write_text(MAIN + 'variable "list" { type = list(string) }\noutput "list" { value = var.list }\n')
    file = root.folder.parent / "common.tfvars"
    file.write_text('path = "/from-file"\n')
    planned = root.terraform.plan(root.folder, [file], {"path": "${literal}", "list": '["a"]'}, root.out, root.tell)

    assert next(found.after["input"] for found in planned.changes if found.address == "terraform_data.check") == (
        "${literal}"
    )


def test_a_stale_plan_is_refused(root: Root) -> None:
    planned = root.plan("/ready")
    root.apply(root.terraform.plan(root.folder, [], {"path": "/other"}, root.out.with_name("other"), root.tell))

    with pytest.raises(PermanentError, match="stale"):
        root.apply(planned)


def test_a_changed_plan_file_is_refused_before_terraform_runs(root: Root) -> None:
    planned = root.plan("/ready")
    root.told.clear()
    with planned.file.open("ab") as file:
        file.write(b"x")

    with pytest.raises(PermanentError, match="not the one that was shown"):
        root.apply(planned)
    with pytest.raises(PermanentError, match="is gone"):
        root.apply(replace(planned, file=planned.file.with_name("gone")))
    assert not root.told


def test_a_broken_root_is_told_in_one_line_with_its_place(root: Root) -> None:
    root.main.write_text('resource "terraform_data" "x" {\n  foo = 1\n}\n')

    with pytest.raises(PermanentError, match=r"Unsupported argument \(main.tf line 2\)") as found:
        root.plan()
    assert "\n" not in str(found.value)


def test_init_is_skipped_while_nothing_changed(root: Root) -> None:
    root.told.clear()
    root.terraform.init(root.folder, [], root.tell)
    assert not root.told

    root.main.write_text(MAIN + "# changed\n")
    root.terraform.init(root.folder, [], root.tell)
    assert any("initialized" in line for line in root.told)


def test_init_is_repeated_when_a_local_module_or_the_backend_changed(tmp_path: Path) -> None:
    (tmp_path / "module").mkdir()
    source = tmp_path / "module" / "main.tf"
    source.write_text('output "a" { value = 1 }\n')
    root = Root(tmp_path, 'terraform {\n  backend "local" {}\n}\nmodule "m" { source = "../module" }\n')
    backend = tmp_path / "backend.hcl"
    for file, text in (
        (backend, f'path = "{tmp_path}/one.tfstate"\n'),
        (source, 'output "a" { value = 2 }\n'),
        (backend, f'path = "{tmp_path}/two.tfstate"\n'),
    ):
        file.write_text(text)
        root.told.clear()
        root.terraform.init(root.folder, [str(backend)], root.tell)
        assert root.told
        root.told.clear()
        root.terraform.init(root.folder, [str(backend)], root.tell)
        assert not root.told


def test_a_backend_setting_is_given_as_it_stands_and_init_is_repeated_when_it_changes(tmp_path: Path) -> None:
    root = Root(tmp_path, 'terraform {\n  backend "local" {}\n}\nresource "terraform_data" "x" {}\n')
    for name in ("one", "two"):
        root.told.clear()
        root.terraform.init(root.folder, [f"path={tmp_path}/{name}.tfstate"], root.tell)
        assert root.told
    planned = root.terraform.plan(root.folder, [], {}, root.out, root.tell)
    root.apply(planned)

    assert (tmp_path / "two.tfstate").is_file()
    assert [file.name for file in root.folder.iterdir()] == ["main.tf"]


def test_a_long_backend_setting_is_no_file(tmp_path: Path) -> None:
    root = Root(tmp_path)
    program = tmp_path / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    terraform = TerraformInfrastructure(workspace=root.workspace, environment={"PATH": f"{program.parent}:/bin"})

    for _ in range(2):
        terraform.init(root.folder, [f"token={'x' * 300}"], root.tell)


@pytest.mark.parametrize("writes", [False, True])
def test_a_missing_lock_file_is_written_only_where_that_is_wanted(tmp_path: Path, writes: bool) -> None:
    root = Root(tmp_path)
    program = tmp_path / "bin" / "terraform"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    terraform = TerraformInfrastructure(
        workspace=root.workspace, environment={"PATH": f"{program.parent}:/bin:/usr/bin"}, makes_lock_file=writes
    )

    terraform.init(root.folder, [], root.tell)

    assert ("-lockfile=readonly" in (tmp_path / "asked").read_text()) is not writes
    (root.folder / ".terraform.lock.hcl").touch()
    terraform.init(root.folder, [], root.tell)
    assert "-lockfile=readonly" in (tmp_path / "asked").read_text().splitlines()[-1]


LOCKING = """#!/bin/sh
if [ "$1" = init ]; then test -f .terraform.lock.hcl || echo made > .terraform.lock.hcl; fi
cat .terraform.lock.hcl >> {seen}
"""


@pytest.mark.parametrize("own", ["", "own"])
def test_a_lock_file_that_terraform_makes_is_beside_the_root_only_while_it_runs(tmp_path: Path, own: str) -> None:
    root = Root(tmp_path)
    program, seen, file = tmp_path / "bin" / "terraform", tmp_path / "seen", root.folder / ".terraform.lock.hcl"
    program.parent.mkdir()
    program.write_text(LOCKING.format(seen=seen))
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:/bin:/usr/bin"}
    terraform = TerraformInfrastructure(workspace=root.workspace, environment=environment, makes_lock_file=True)
    if own:
        file.write_text(f"{own}\n")

    for _ in range(2):
        terraform.init(root.folder, [], root.tell)
        assert file.exists() is bool(own)
    terraform.plan(root.folder, [], {}, root.out, root.tell)

    assert seen.read_text().split() == [own or "made"] * 2
    assert file.exists() is bool(own)


KILLED = """
import os, pathlib, sys
from lgtm_deploy.adapters.terraform_lock_file import lent_lock_file
with lent_lock_file(*map(pathlib.Path, sys.argv[1:])):
    os._exit(0)
"""


@pytest.mark.parametrize("own", ["", "own"])
def test_a_lent_lock_file_that_a_kill_left_is_taken_away_by_the_next_command(tmp_path: Path, own: str) -> None:
    root, data, file = Root(tmp_path), tmp_path / "data", tmp_path / "50-alb" / ".terraform.lock.hcl"
    data.mkdir()
    (data / file.name).write_text("made")
    subprocess.run([sys.executable, "-c", KILLED, str(root.folder), str(data)], check=True)
    assert file.read_text() == "made"
    if own:
        file.write_text(own)

    with lent_lock_file(root.folder, data):
        assert file.read_text() == (own or "made")

    assert file.exists() is bool(own)
    assert (data / file.name).read_text() == "made"


def test_a_failed_init_is_not_taken_for_done(tmp_path: Path) -> None:
    root = Root(tmp_path, 'module "m" { source = "./nothing" }\n')
    for _ in range(2):
        with pytest.raises(PermanentError, match="terraform init"):
            root.terraform.init(root.folder, [], root.tell)


def test_a_missing_root_is_permanent(root: Root) -> None:
    with pytest.raises(PermanentError, match="does not exist"):
        root.terraform.init(root.folder / "no", [], root.tell)


def test_no_terraform_is_a_missing_tool(root: Root, tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="not installed"):
        root.made(PATH=str(tmp_path)).init(root.folder, [], root.tell)


def test_arguments_of_the_environment_do_not_reach_terraform(root: Root) -> None:
    root.terraform = root.made(TF_CLI_ARGS_plan="-destroy", TF_LOG="trace", TF_CLI_CONFIG_FILE="/no/such/file")
    root.apply(root.plan())

    assert not root.plan().changes
    assert not any("CLI configuration" in line for line in root.told)


def test_a_held_state_lock_is_transient_and_names_its_holder(root: Root) -> None:
    planned = root.plan()
    state = root.folder / "terraform.tfstate"
    with held_by_another(state), pytest.raises(TransientError, match=r"locked by ci@runner-4 \(lock 7d1c"):
        root.apply(planned)


def slow(folder: Path, code: str) -> Root:
    root = Root(folder, SLOW.replace("PYTHON", sys.executable).replace("CODE", code))
    root.terraform.init(root.folder, [], root.tell)
    return root


def stop_when_it_runs(line: str) -> None:
    if line.endswith(": running"):
        raise InterruptedRunError("Stopped.")


def test_a_stopped_apply_ends_in_order(tmp_path: Path) -> None:
    root = slow(tmp_path, "print('running'); import time; time.sleep(60)")
    planned = root.terraform.plan(root.folder, [], {}, root.out, root.tell)

    with pytest.raises(InterruptedRunError):
        root.terraform.apply(root.folder, planned, stop_when_it_runs)

    assert not (root.folder / ".terraform.tfstate.lock.info").exists()


STUBBORN = """#!{python}
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("terraform_data.slow (local-exec): running", flush=True)
time.sleep(60)
"""


def test_an_apply_that_has_to_be_killed_is_in_doubt(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lgtm_deploy.adapters.terraform_program.GRACE", 0.3)
    planned = root.plan()
    stubborn = root.folder.parent / "terraform"
    stubborn.write_text(STUBBORN.format(python=sys.executable))
    stubborn.chmod(0o755)
    root.terraform = root.made(PATH=str(stubborn.parent))

    with pytest.raises(InDoubtError, match="was killed"):
        root.terraform.apply(root.folder, planned, stop_when_it_runs)


def test_an_apply_that_may_not_begin_any_more_is_not_started(root: Root) -> None:
    planned = root.plan()
    began = root.folder.parent / "began"
    program = root.folder.parent / "terraform"
    program.write_text(f"#!/bin/sh\ntouch {began}\n")
    program.chmod(0o755)
    root.terraform = root.made(PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    def lost(_: str) -> None:
        raise LockLostError("Run 7f3a no longer holds environment 'prod'.")

    with pytest.raises(LockLostError):
        root.terraform.apply(root.folder, planned, lost)

    assert not began.exists()


def test_a_plan_made_before_there_was_any_state_is_current_until_there_is_one(root: Root) -> None:
    first = root.plan()
    kept = replace(first, file=first.file.rename(first.file.with_name("kept")))
    assert root.terraform.is_current(root.folder, kept)

    root.apply(root.plan())

    assert not root.terraform.is_current(root.folder, kept)
    assert "canary" not in "\n".join(root.told)


def test_whether_something_else_than_a_plan_is_current_cannot_be_told(root: Root) -> None:
    root.out.parent.mkdir()
    root.out.write_text("not a plan")
    sha256 = hashlib.sha256(root.out.read_bytes()).hexdigest()

    with pytest.raises(PermanentError, match="cannot be told"):
        root.terraform.is_current(root.folder, PlannedChanges(file=root.out, sha256=sha256, changes=()))
