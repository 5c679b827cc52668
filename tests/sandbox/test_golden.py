"""Golden state: kept, copied, and moved to other ports."""

import base64
import hashlib
from pathlib import Path

import pytest

from lgtm_deploy.sandbox import golden
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.ports import SandboxPorts

BEFORE = SandboxPorts(gateway=21_000, balancer=21_001)
AFTER = SandboxPorts(gateway=22_000, balancer=22_001)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=tmp_path / "home")


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def saved(home: Home, name: str = "a") -> None:
    """A state as the cloud saves it: a Terraform state with an address, and its sum in the lock table."""
    state = home.place(name).state
    (state / "s3" / "bucket").mkdir(parents=True)
    content = '{"repository_url": "127.0.0.1:21000/lgtm-tempo"}'
    (state / "s3" / "bucket" / "terraform.tfstate").write_text(content)
    digest = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
    (state / "dynamodb.json").write_text(f'{{"Digest": "{digest}"}}')
    (state / "s3" / "bucket" / "terraform.tfstate.meta.json").write_text(f'{{"sha256": "{sha256(content.encode())}"}}')
    (state / "ecs.json").write_text('{"image": "127.0.0.1:21000/lgtm-tempo@sha256:1", "size": 21000}')


def test_a_golden_state_on_the_same_ports_is_the_same(home: Home) -> None:
    saved(home)
    golden.keep(home, home.place("a"), "key", BEFORE)
    golden.restore(home, home.place("b"), "key", BEFORE)
    for path in home.place("a").state.rglob("*.*"):
        assert (home.place("b").state / path.relative_to(home.place("a").state)).read_bytes() == path.read_bytes()


def test_a_golden_state_on_other_ports_names_those_and_terraform_still_trusts_it(home: Home) -> None:
    saved(home)
    golden.keep(home, home.place("a"), "key", BEFORE)
    golden.restore(home, home.place("b"), "key", AFTER)
    state = home.place("b").state
    terraform = (state / "s3" / "bucket" / "terraform.tfstate").read_bytes()
    assert terraform == b'{"repository_url": "127.0.0.1:22000/lgtm-tempo"}'
    digest = hashlib.md5(terraform, usedforsecurity=False).hexdigest()
    assert (state / "dynamodb.json").read_text() == f'{{"Digest": "{digest}"}}'
    meta = (state / "s3" / "bucket" / "terraform.tfstate.meta.json").read_text()
    assert meta == f'{{"sha256": "{sha256(terraform)}"}}'
    # Only addresses: a number that looks like the port stays.
    assert (state / "ecs.json").read_text() == '{"image": "127.0.0.1:22000/lgtm-tempo@sha256:1", "size": 21000}'


def test_the_golden_state_itself_is_never_changed(home: Home) -> None:
    saved(home)
    golden.keep(home, home.place("a"), "key", BEFORE)
    golden.restore(home, home.place("b"), "key", AFTER)
    golden.restore(home, home.place("c"), "key", BEFORE)
    assert b"21000/" in (home.place("c").state / "ecs.json").read_bytes()


def test_only_the_newest_few_are_kept(home: Home) -> None:
    saved(home)
    for number in range(golden.KEPT + 2):
        golden.keep(home, home.place("a"), f"key{number}", BEFORE)
    assert golden.has_golden(home, f"key{golden.KEPT + 1}")
    assert len(list(home.golden.iterdir())) == golden.KEPT


def test_a_half_kept_state_does_not_count(home: Home) -> None:
    (home.golden / "key" / "state").mkdir(parents=True)
    assert not golden.has_golden(home, "key")
