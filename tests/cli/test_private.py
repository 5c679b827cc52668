"""What the tool makes is its owner's alone, whatever the umask; what was there before stays as it is."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lgtm_deploy.adapters.terraform_program import TerraformProgram
from lgtm_deploy.adapters.terraform_state import StateFile
from lgtm_deploy.cli import wiring
from lgtm_deploy.config import stack_file
from lgtm_deploy.private import make_private
from lgtm_deploy.sandbox.files import locked
from lgtm_deploy.storage.local import LocalJournal
from tests.config.files import lay_stack


@pytest.fixture(autouse=True)
def open_to_the_group() -> Iterator[None]:
    before = os.umask(0o002)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def workspace(folder: Path) -> None:
    wiring.Workspace(stack_file.load(lay_stack(folder), "prod"), "7f3a").make()


def journal(folder: Path) -> None:
    remembered = LocalJournal(folder / ".lgtm-deploy" / "runs" / "state.db")
    remembered.records("7f3a")
    remembered.close()


def terraform(folder: Path) -> None:
    place = folder / ".lgtm-deploy" / "terraform" / "prod"
    TerraformProgram(workspace=place, environment={}, name=None, limit=1.0).folder(folder)


def state(folder: Path) -> None:
    (folder / "terraform.tfstate").write_text('{"lineage": "a", "serial": 1}')
    StateFile(folder / "terraform.tfstate", folder / ".lgtm-deploy" / "terraform" / "states").keep()
    StateFile(folder / "terraform.tfstate", folder / ".lgtm-deploy" / "terraform" / "seen").check()


def sandbox(folder: Path) -> None:
    with locked(folder / ".lgtm-deploy" / "sandbox" / "engine.lock", lambda _: None):
        pass


@pytest.mark.parametrize("make", [workspace, journal, terraform, state, sandbox])
def test_every_folder_is_its_owners_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path)

    own = tmp_path / ".lgtm-deploy"
    modes = {str(each.relative_to(tmp_path)): mode(each) for each in (own, *own.rglob("*")) if each.is_dir()}
    assert len(modes) > 1
    assert set(modes.values()) == {0o700}, modes


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)

    make_private(tmp_path / "there" / "new")
    make_private(tmp_path / "there")

    assert (mode(tmp_path / "there"), mode(tmp_path / "there" / "new")) == (0o755, 0o700)


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FileExistsError):
        make_private(tmp_path / "file")


def test_the_tools_own_folder_is_ignored_by_git(tmp_path: Path) -> None:
    own = tmp_path / ".lgtm-deploy"
    own.mkdir()

    make_private(own / "runs" / "7f3a")
    make_private(tmp_path / "elsewhere")

    assert (own / ".gitignore").read_text() == "*\n"
    assert not (tmp_path / "elsewhere" / ".gitignore").exists()
