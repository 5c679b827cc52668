"""`scripts/setup` on machines that lack something; every program it could call is a stand-in."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.setup.test_fetch_release import ROOT, VERSION_LINE, FileServer, release

# What a bare Debian has, and what the script may rely on.
BARE = (
    *("bash", "sh", "cat", "chmod", "dirname", "env", "find", "id", "ln", "ls", "mkdir", "printf", "readlink", "rm"),
    *("sed", "tr", "uname", "timeout", "touch", "python3", "sleep"),
)


@dataclass
class Machine:
    """A checkout, and a PATH on which only `tools` are."""

    checkout: Path
    bin: Path
    server: FileServer

    def add(self, name: str, script: str = "exit 0") -> None:
        program = self.bin / name
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/sh\necho \"{name} $*\" >>'{self.bin}/../calls'\n{script}\n")
        program.chmod(0o755)

    def calls(self) -> list[str]:
        log = self.bin.parent / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / "scripts" / "setup"],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.checkout.parent),
                "LGTM_DEPLOY_SANDBOX_HOME": str(self.checkout / "home"),
                "LGTM_DEPLOY_PROVIDER_MIRROR": "/somewhere",
                "LGTM_DEPLOY_TERRAFORM_URL": f"{self.server.url}/terraform.zip",
                "LGTM_DEPLOY_TERRAFORM_SHA256": hashlib.sha256(release()).hexdigest(),
                "DOCKER_HOST": "unix:///nowhere",
                "no_proxy": "*",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in BARE:
        found = shutil.which(name)
        if name == "python3":
            # Not a shim that looks for its own interpreter.
            found = subprocess.check_output(["python3", "-c", "import sys; print(sys.executable)"], text=True).strip()
        assert found, name
        (bin_ / name).symlink_to(found)
    server = FileServer(release())
    made = Machine(checkout, bin_, server)
    made.add("uv", f"[ \"$1\" != sync ] || mkdir -p '{checkout}/.venv/bin'")
    made.add("id", "echo 0")
    made.add("dockerd")
    yield made
    server.close()


def test_terraform_is_fetched_where_there_is_none_and_only_once(machine: Machine) -> None:
    first = machine.setup()
    assert first.returncode == 0, first.stderr
    said = subprocess.check_output([machine.checkout / ".venv" / "bin" / "terraform", "version"], text=True)
    assert said.strip() == VERSION_LINE
    assert machine.setup().returncode == 0
    assert machine.server.hits == 1


@pytest.mark.parametrize("name", ["terraform", "tofu"])
def test_the_terraform_that_is_here_is_used(machine: Machine, name: str) -> None:
    machine.add(name)
    assert machine.setup().returncode == 0
    assert machine.server.hits == 0


def test_a_terraform_that_cannot_be_had_is_told_with_the_way_to_get_it(machine: Machine) -> None:
    done = machine.setup(LGTM_DEPLOY_TERRAFORM_URL=f"{machine.server.url}/gone.zip")
    assert done.returncode == 1
    assert "install one, or set LGTM_DEPLOY_TERRAFORM_URL" in done.stderr.splitlines()[-1]


def test_docker_is_installed_where_none_answers_and_root_is_there(machine: Machine) -> None:
    (machine.bin / "dockerd").unlink()
    machine.add("apt-get", f"case \"$*\" in *docker.io*) ln -sf /bin/true '{machine.bin}/dockerd';; esac")
    done = machine.setup()
    if shutil.which("dockerd", path="/usr/local/sbin:/usr/sbin:/sbin"):
        assert not [call for call in machine.calls() if call.startswith("apt-get")]
    else:
        assert [call for call in machine.calls() if "docker.io" in call]
    assert done.returncode == 0, done.stderr


def test_without_root_the_missing_docker_is_one_line_of_advice(machine: Machine) -> None:
    machine.add("id", "echo 1000")
    done = machine.setup()
    if Path("/var/run/docker.sock").exists():
        pytest.skip("an engine answers on this machine")
    assert done.returncode == 1
    assert "apt-get install docker.io" in done.stderr
    assert not [call for call in machine.calls() if call.startswith("apt-get")]


def test_packages_are_synced_from_the_lock_file_and_no_other_python_is_fetched(machine: Machine) -> None:
    machine.add(
        "uv", f'[ "$1" != sync ] || {{ mkdir -p \'{machine.checkout}/.venv/bin\'; echo "$UV_PYTHON_DOWNLOADS" >&2; }}'
    )
    done = machine.setup()
    assert "uv sync --locked --quiet" in machine.calls()
    assert "never" in done.stderr


def test_a_uv_that_does_not_work_is_not_taken_for_one(machine: Machine) -> None:
    # A version manager's shim for a version that is not installed, say.
    machine.add("uv", "exit 127")
    machine.add("python3", 'case "$*" in *version_info*) exit 0;; *) exit 1;; esac')
    machine.add("id", "echo 1000")
    done = machine.setup()
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr


def test_an_old_python_is_told_at_once(machine: Machine) -> None:
    machine.add("python3", "exit 1")
    done = machine.setup()
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "3.11" in done.stderr


def test_the_scripts_are_sound_bash() -> None:
    for script in ("setup", "clean", "demo"):
        subprocess.run(["bash", "-n", ROOT / "scripts" / script], check=True)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
