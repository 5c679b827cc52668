"""Files of a root as they were applied: kept beside the stack, and laid out again."""

import os
import stat
from pathlib import Path

import pytest

from lgtm_deploy.adapters.applied_files import KEPT, AppliedFilesFolder
from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.core.errors import PermanentError

MAIN = """
variable "region" { type = string }
resource "terraform_data" "check" { input = "PATH ${var.region}" }
module "inner" { source = "../../modules/inner" }
"""


class Place:
    """A stack with a root, whose module lies above the stack's folder."""

    def __init__(self, folder: Path) -> None:
        self.stack = folder / "repository" / "stack"
        self.root = self.stack / "50-alb"
        self.module = folder / "repository" / "modules" / "inner"
        for each in (self.root, self.module):
            each.mkdir(parents=True)
        (self.module / "main.tf").write_text('resource "terraform_data" "inner" {}\n')
        self.variables = self.stack / "common.tfvars"
        self.variables.write_text('region = "eu"\n')
        self.write("/ready")
        self.into = folder / "run" / "laid-out"
        self.kept = AppliedFilesFolder(self.stack, "prod")

    @property
    def sources(self) -> list[Path]:
        return [self.root, self.module, self.variables]

    def write(self, path: str) -> None:
        (self.root / "main.tf").write_text(MAIN.replace("PATH", path))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_kept_files_are_laid_out_as_they_were_and_leave_nothing(place: Place) -> None:
    place.kept.keep("alb", place.sources)
    place.write("/tempo/ready")
    [kept] = place.kept.kept("alb")

    with place.kept.laid_out("alb", kept.digest, place.into) as there:
        assert "/ready " in (there(place.root) / "main.tf").read_text()
        assert there(place.variables).read_text() == 'region = "eu"\n'
        assert (there(place.root) / "../../modules/inner/main.tf").resolve().is_file()
        with pytest.raises(PermanentError, match="not among the files that were applied"):
            there(place.stack / "missing.tfvars")
    assert not place.into.exists()


def test_the_same_files_are_kept_once_and_the_last_apply_is_the_newest(place: Place) -> None:
    place.kept.keep("alb", place.sources)
    [first] = place.kept.kept("alb")
    place.write("/tempo/ready")
    place.kept.keep("alb", place.sources)
    place.write("/ready")
    place.kept.keep("alb", place.sources)

    newest, other = place.kept.kept("alb")
    assert newest.digest == first.digest != other.digest
    assert newest.at > first.at
    assert place.kept.kept("ecs") == []


def test_only_so_many_are_kept(place: Place) -> None:
    for number in range(KEPT + 3):
        place.write(f"/{number}")
        place.kept.keep("alb", place.sources)

    assert len(place.kept.kept("alb")) == KEPT
    with place.kept.laid_out("alb", place.kept.kept("alb")[0].digest, place.into) as there:
        assert f"/{KEPT + 2} " in (there(place.root) / "main.tf").read_text()


def test_files_that_run_are_kept_however_many_attempts_are_rolled_back(place: Place) -> None:
    place.kept.keep("alb", place.sources)
    [runs] = place.kept.kept("alb")
    for number in range(KEPT + 3):
        place.kept.runs("alb", runs.digest)
        place.write(f"/{number}")
        place.kept.keep("alb", place.sources)

    kept = place.kept.kept("alb")
    assert (len(kept), kept[1]) == (KEPT, runs), "it was applied when it was applied"
    place.kept.runs("alb", runs.digest)
    assert place.kept.kept("alb")[0] == runs
    place.kept.runs("alb", "0123456789abcdef")
    assert len(place.kept.kept("alb")) == KEPT


@pytest.mark.parametrize("taken", [False, True])
def test_what_is_kept_stays_whole_while_it_is_kept_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    """A kill at any moment leaves the folder that was complete."""
    place.kept.keep("alb", place.sources)
    place.kept.save_newest(tmp_path / "saved")
    [first] = place.kept.kept("alb")
    with monkeypatch.context() as patched:
        patched.setattr("shutil.rmtree", killed)
        patched.setattr("shutil.copyfile", killed)
        if taken:
            place.kept.take(tmp_path / "saved")
        else:
            place.kept.keep("alb", place.sources)

    [again] = place.kept.kept("alb")
    assert (again.digest, again.at > first.at) == (first.digest, True)
    with place.kept.laid_out("alb", again.digest, place.into) as there:
        assert (there(place.root) / "main.tf").is_file()


def killed(*_words: object, **_named: object) -> None:
    raise KeyboardInterrupt


def test_a_name_that_is_no_text_is_kept_too(place: Place) -> None:
    name = os.fsdecode(b"caf\xe9.tf")
    (place.root / name).write_text("# latin")
    place.kept.keep("alb", place.sources)
    [kept] = place.kept.kept("alb")

    with place.kept.laid_out("alb", kept.digest, place.into) as there:
        assert (there(place.root) / name).read_text() == "# latin"


def test_a_program_of_a_root_stays_one(place: Place) -> None:
    program = place.module / "look.sh"
    program.write_text("#!/bin/sh\n")
    place.kept.keep("alb", [*place.sources])
    program.chmod(0o755)
    place.kept.keep("alb", [*place.sources])
    newest, _ = place.kept.kept("alb")

    with place.kept.laid_out("alb", newest.digest, place.into) as there:
        assert stat.S_IMODE(there(program).stat().st_mode) == 0o700
        assert stat.S_IMODE(there(place.variables).stat().st_mode) == 0o600


def test_the_tools_folder_is_the_owners_alone_and_version_control_does_not_see_it(place: Place) -> None:
    place.kept.keep("alb", place.sources)

    own = place.stack / ".lgtm-deploy"
    assert (own / ".gitignore").read_text() == "*\n"
    for each in own.rglob("*"):
        if each.name not in {".gitignore", "kept.json"}:
            assert stat.S_IMODE(each.stat().st_mode) & 0o077 == 0, each


def test_states_and_what_terraform_keeps_for_itself_are_left_out(place: Place) -> None:
    (place.root / "terraform.tfstate").write_text("{}")
    (place.root / ".terraform").mkdir()
    (place.root / ".terraform" / "secret").write_text("")
    (place.root / ".terraform.lock.hcl").write_text("")
    place.kept.keep("alb", place.sources)
    [kept] = place.kept.kept("alb")

    with place.kept.laid_out("alb", kept.digest, place.into) as there:
        assert sorted(each.name for each in there(place.root).iterdir()) == [".terraform.lock.hcl", "main.tf"]


def test_what_is_not_kept_any_more_is_refused(place: Place) -> None:
    with (
        pytest.raises(PermanentError, match="are not kept any more"),
        place.kept.laid_out("alb", "0123456789abcdef", place.into),
    ):
        pass


def test_a_copy_of_the_stack_is_kept_for_the_stack_itself(place: Place, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "50-alb").mkdir(parents=True)
    (copy / "50-alb" / "main.tf").write_text("# applied")
    AppliedFilesFolder(copy, "prod", kept_for=place.stack).keep("alb", [copy / "50-alb"])
    [kept] = place.kept.kept("alb")

    with place.kept.laid_out("alb", kept.digest, place.into) as there:
        assert (there(place.root) / "main.tf").read_text() == "# applied"


def test_what_was_saved_is_the_newest_again_once_it_is_taken(place: Place, tmp_path: Path) -> None:
    place.kept.keep("alb", place.sources)
    [first] = place.kept.kept("alb")
    place.kept.save_newest(tmp_path / "saved")
    place.write("/tempo/ready")
    place.kept.keep("alb", place.sources)

    place.kept.take(tmp_path / "saved")

    newest, _ = place.kept.kept("alb")
    assert newest.digest == first.digest
    with place.kept.laid_out("alb", newest.digest, place.into) as there:
        assert "/ready " in (there(place.root) / "main.tf").read_text()
    place.kept.take(tmp_path / "missing")


def test_terraform_plans_kept_files_on_the_state_of_the_root(place: Place, tmp_path: Path) -> None:
    terraform = TerraformInfrastructure(workspace=tmp_path / "workspace", environment=os.environ)
    out, files = tmp_path / "run" / "plan", [place.variables]
    terraform.init(place.root, [], quiet)
    terraform.apply(place.root, terraform.plan(place.root, files, {}, out, quiet), quiet)
    place.kept.keep("alb", [*terraform.sources(place.root), place.variables])
    place.write("/tempo/ready")
    assert len(terraform.plan(place.root, files, {}, out, quiet).changes) == 1

    with place.kept.laid_out("alb", place.kept.kept("alb")[0].digest, place.into) as there:
        here = there(place.root)
        terraform.init(here, [], quiet, copy_of=place.root)
        planned = terraform.plan(here, [there(place.variables)], {}, out, quiet)

    assert (planned.changes, planned.document) == ((), {})


def quiet(_line: str) -> None:
    """Nobody listens."""
