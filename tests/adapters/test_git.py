"""Git itself: which revision files are of, and an earlier one beside them that leaves nothing; Terraform in it."""

import os
import subprocess
from pathlib import Path

import pytest

from lgtm_deploy.adapters.git import GitSource
from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Revision

MAIN = """
variable "region" { type = string }
resource "terraform_data" "check" { input = "PATH ${var.region}" }
module "inner" { source = "../modules/inner" }
"""
AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


class Repository:
    """A root with a module and a file of variables, committed twice: first with /ready, then with /tempo/ready."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.root = self.folder / "terraform" / "50-alb"
        self.module = self.folder / "terraform" / "modules" / "inner"
        for each in (self.root, self.module):
            each.mkdir(parents=True)
        (self.module / "main.tf").write_text('resource "terraform_data" "inner" {}\n')
        self.variables = self.folder / "common.tfvars"
        self.variables.write_text('region = "eu"\n')
        self.git("init", "-q")
        self.first = self.commit("/ready")
        self.second = self.commit("/tempo/ready")
        self.source = GitSource(self.folder, os.environ)
        self.into = folder / "run" / "alb.revision"

    def git(self, *words: str) -> str:
        environment = {**os.environ, **AUTHOR}
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, path: str) -> str:
        (self.root / "main.tf").write_text(MAIN.replace("PATH", path))
        self.git("add", "-A")
        self.git("commit", "-q", "-m", path)
        return self.git("rev-parse", "HEAD")

    @property
    def paths(self) -> list[Path]:
        return [self.root, self.module, self.variables]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def test_files_are_of_the_commit_until_one_of_them_changes(repository: Repository) -> None:
    clean = Revision(commit=repository.second)
    assert repository.source.revision(repository.paths) == clean

    (repository.folder / "README.md").write_text("not a part of the root")
    (repository.root / "terraform.tfstate").write_text("{}")
    assert repository.source.revision(repository.paths) == clean

    (repository.module / "more.tf").write_text("# not committed")
    assert repository.source.revision(repository.paths) == Revision(commit=repository.second, dirty=True)


def test_without_version_control_there_is_no_revision(tmp_path: Path) -> None:
    assert GitSource(tmp_path, {**os.environ, "GIT_CEILING_DIRECTORIES": "/"}).revision([tmp_path]) == Revision()


def test_an_earlier_revision_is_there_for_a_while_and_leaves_nothing(repository: Repository) -> None:
    with repository.source.checkout(repository.first, repository.into) as there:
        assert there(repository.root).is_relative_to(repository.into)
        assert "/ready " in (there(repository.root) / "main.tf").read_text()
        with pytest.raises(PermanentError, match=r"missing\.tf is not in revision"):
            there(repository.folder / "missing.tf")

    assert not repository.into.exists()
    assert len(repository.git("worktree", "list").splitlines()) == 1
    assert repository.git("status", "--porcelain") == ""


def test_what_a_killed_process_left_is_removed_first(repository: Repository) -> None:
    repository.git("worktree", "add", "-q", "--detach", str(repository.into), repository.second)
    (repository.into / "left").write_text("")

    with repository.source.checkout(repository.first, repository.into):
        assert not (repository.into / "left").exists()

    assert len(repository.git("worktree", "list").splitlines()) == 1


def test_commits_of_a_root_are_listed_from_head_back(repository: Repository, tmp_path: Path) -> None:
    (repository.folder / "README.md").write_text("not a part of the root")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "readme")

    assert list(repository.source.commits(repository.paths, 5)) == [repository.second, repository.first]
    assert list(repository.source.commits(repository.paths, 1)) == [repository.second]
    outside = GitSource(tmp_path, {**os.environ, "GIT_CEILING_DIRECTORIES": "/"})
    assert list(outside.commits([tmp_path], 5)) == []


def test_a_commit_that_changed_what_a_link_leads_to_is_one_of_the_root(repository: Repository, tmp_path: Path) -> None:
    (repository.root / "variables.tf").symlink_to("../variables.tf")
    (repository.root / "elsewhere.tf").symlink_to(tmp_path / "elsewhere.tf")
    (repository.root.parent / "variables.tf").write_text("# one")
    linked = repository.commit("/tempo/ready")
    (repository.root.parent / "variables.tf").write_text("# two")
    changed = repository.commit("/tempo/ready")

    assert repository.source.commits([repository.root], 2) == [changed, linked]

    (repository.root.parent / "variables.tf").write_text("# three")
    assert repository.source.revision([repository.root]) == Revision(commit=changed, dirty=True)


def test_a_clone_with_the_newest_commits_only_is_shallow(repository: Repository, tmp_path: Path) -> None:
    repository.git("clone", "-q", "--depth", "1", repository.folder.as_uri(), str(tmp_path / "clone"))

    assert GitSource(tmp_path / "clone", os.environ).is_shallow()
    assert not repository.source.is_shallow()
    (tmp_path / "none").mkdir()
    assert not GitSource(tmp_path / "none", os.environ).is_shallow()


def test_a_commit_that_is_not_there_is_refused(repository: Repository) -> None:
    with (
        pytest.raises(PermanentError, match="git worktree"),
        repository.source.checkout("dead" * 10, repository.into),
    ):
        pass
    assert not repository.into.exists()


def test_nothing_that_the_repository_asks_for_is_run(repository: Repository, tmp_path: Path) -> None:
    for hook in ("post-checkout", "reference-transaction"):
        file = repository.folder / ".git" / "hooks" / hook
        file.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
        file.chmod(0o755)

    with repository.source.checkout(repository.first, repository.into):
        pass

    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("state", ["terraform.tfstate", "../../kept.tfstate"])
def test_terraform_plans_an_earlier_revision_on_the_state_of_the_root(
    repository: Repository, tmp_path: Path, state: str
) -> None:
    if state != "terraform.tfstate":
        backend = f'terraform {{\n  backend "local" {{\n    path = "{state}"\n  }}\n}}\n'
        (repository.root / "backend.tf").write_text(backend)
    terraform = TerraformInfrastructure(workspace=tmp_path / "workspace", environment=os.environ)
    out, files = tmp_path / "run" / "plan", [repository.variables]
    terraform.init(repository.root, [], quiet)
    terraform.apply(repository.root, terraform.plan(repository.root, files, {}, out, quiet), quiet)
    assert terraform.attributes(repository.root)["terraform_data.check"]["input"] == "/tempo/ready eu"
    assert list(terraform.attributes(repository.root)) == ["terraform_data.check", "module.inner.terraform_data.inner"]
    assert [each.resolve() for each in terraform.sources(repository.root)] == [repository.root, repository.module]

    with repository.source.checkout(repository.first, repository.into) as there:
        here = there(repository.root)
        terraform.init(here, [], quiet, copy_of=repository.root)
        planned = terraform.plan(here, [there(repository.variables)], {}, out, quiet)
        terraform.apply(here, planned, quiet)

    [change] = planned.changes
    assert (change.address, change.actions, change.after["input"]) == ("terraform_data.check", ("update",), "/ready eu")
    assert terraform.attributes(repository.root)["terraform_data.check"]["input"] == "/ready eu"
    assert terraform.plan(repository.root, files, {}, out, quiet).changes[0].after["input"] == "/tempo/ready eu"


def quiet(_line: str) -> None:
    """Nobody listens."""
