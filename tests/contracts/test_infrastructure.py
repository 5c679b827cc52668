"""What every infrastructure promises; the real one is Terraform on a root that needs no provider."""

import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lgtm_deploy.adapters.terraform import TerraformInfrastructure
from lgtm_deploy.core.errors import InterruptedRunError, PermanentError
from lgtm_deploy.core.ports import Infrastructure, PlannedChanges
from lgtm_deploy.fakes import FakeCloud, FakeInfrastructure, FakeRoot, FakeTargetGroup

MAIN = """
variable "path" {
  type    = string
  default = "/ready"
}
resource "terraform_data" "check" { input = var.path }
"""
CHECKS = """
variable "path" {
  type    = string
  default = "/ready"
}
resource "terraform_data" "check" {
  for_each = toset(["lgtm tempo", "loki"])
  input    = var.path
}
"""


@dataclass(frozen=True, kw_only=True)
class Built:
    """An infrastructure with one root, whose variable `path` is `/ready` and applied."""

    infrastructure: Infrastructure
    root: Path
    out: Path

    def plan(self, path: str, name: str = "plan") -> PlannedChanges:
        variables = {"path": path}
        return self.infrastructure.plan(self.root, [], variables, self.out / name, lambda _: None)

    def apply(self, plan: PlannedChanges) -> None:
        self.infrastructure.apply(self.root, plan, lambda _: None)


def fake(folder: Path) -> Infrastructure:
    cloud = FakeCloud()
    cloud.groups["tempo"] = FakeTargetGroup(name="tempo", account=cloud.account)
    cloud.roots[(folder / "root").resolve()] = FakeRoot(paths={"tempo": "/ready"}, variables={"path": "tempo"})
    return FakeInfrastructure(cloud)


def terraform(folder: Path) -> Infrastructure:
    (folder / "root" / "main.tf").write_text(MAIN)
    return TerraformInfrastructure(workspace=folder / "workspace", environment=os.environ)


@pytest.fixture(params=[fake, terraform])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Built]:
    (tmp_path / "root").mkdir()
    infrastructure: Infrastructure = request.param(tmp_path)
    made = Built(infrastructure=infrastructure, root=tmp_path / "root", out=tmp_path / "run")
    infrastructure.init(made.root, [], lambda _: None)
    made.apply(made.plan("/ready", "first"))
    yield made


def test_a_plan_lists_what_it_would_change_and_changes_nothing(built: Built) -> None:
    planned = built.plan("/tempo/ready")

    [change] = planned.changes
    assert change.actions == ("update",)
    assert "/ready" in str(change.before)
    assert "/tempo/ready" in str(change.after)
    assert built.plan("/ready").changes == ()


def test_a_saved_plan_can_be_read_again(built: Built) -> None:
    planned = built.plan("/tempo/ready")

    assert built.infrastructure.shown(built.root, planned) == planned.document
    with pytest.raises(PermanentError, match="not the one that was shown"):
        built.infrastructure.shown(built.root, replace(planned, sha256="0" * 64))


def test_a_plan_file_is_the_owners_alone(built: Built) -> None:
    assert stat.S_IMODE(built.plan("/tempo/ready").file.stat().st_mode) == 0o600


def test_what_was_applied_is_not_planned_again(built: Built) -> None:
    built.apply(built.plan("/tempo/ready"))

    assert built.plan("/tempo/ready").changes == ()
    assert len(built.plan("/ready").changes) == 1


def test_a_plan_is_applied_by_its_file_and_sum_alone(built: Built) -> None:
    built.apply(replace(built.plan("/tempo/ready"), changes=()))

    assert built.plan("/tempo/ready").changes == ()


def test_a_stale_plan_is_refused(built: Built) -> None:
    stale = built.plan("/tempo/ready", "stale")
    built.apply(built.plan("/other", "other"))

    with pytest.raises(PermanentError, match="stale"):
        built.apply(stale)
    assert built.plan("/other").changes == ()


def test_a_changed_or_missing_plan_is_refused(built: Built) -> None:
    planned = built.plan("/tempo/ready")
    with planned.file.open("ab") as file:
        file.write(b" ")

    with pytest.raises(PermanentError, match="not the one that was shown"):
        built.apply(planned)
    planned.file.unlink()
    with pytest.raises(PermanentError, match="gone"):
        built.apply(planned)


def test_a_root_that_is_not_there_is_permanent(built: Built) -> None:
    with pytest.raises(PermanentError, match="does not exist"):
        built.infrastructure.init(built.root / "no", [], lambda _: None)


def test_progress_can_stop_a_plan(built: Built) -> None:
    def stop(_: str) -> None:
        raise InterruptedRunError("Stopped.")

    with pytest.raises(InterruptedRunError):
        built.infrastructure.plan(built.root, [], {"path": "/x"}, built.out / "stopped", stop)


def test_a_plan_is_current_until_the_state_changes(built: Built) -> None:
    kept = built.plan("/tempo/ready", "kept")
    other = built.plan("/other", "other")

    assert built.infrastructure.is_current(built.root, kept)

    built.apply(other)
    assert not built.infrastructure.is_current(built.root, kept)
    assert not built.infrastructure.is_current(built.root, other)
    assert built.infrastructure.is_current(built.root, built.plan("/tempo/ready", "again"))


def test_whether_a_changed_or_missing_plan_is_current_is_nobodys_question(built: Built) -> None:
    planned = built.plan("/tempo/ready")
    with planned.file.open("ab") as file:
        file.write(b" ")

    with pytest.raises(PermanentError, match="not the one that was shown"):
        built.infrastructure.is_current(built.root, planned)
    planned.file.unlink()
    with pytest.raises(PermanentError, match="gone"):
        built.infrastructure.is_current(built.root, planned)


def test_a_plan_holds_the_whole_document_for_the_guard_and_tells_none_of_it(built: Built) -> None:
    planned = built.plan("/tempo/ready")

    assert planned.document["format_version"].startswith("1.")
    changing = [each for each in planned.document["resource_changes"] if each["change"]["actions"] == ["update"]]
    assert [each["address"] for each in changing] == [each.address for each in planned.changes]
    assert "resource_changes" not in str(planned)
    assert built.plan("/ready").document == {}


def test_the_state_tells_what_there_is_and_a_plan_changes_none_of_it(built: Built) -> None:
    before = built.infrastructure.attributes(built.root)
    planned = built.plan("/tempo/ready")
    assert built.infrastructure.attributes(built.root) == before
    assert [each.address for each in planned.changes] == list(before)

    built.apply(planned)

    assert "/tempo/ready" in str(built.infrastructure.attributes(built.root))


def test_a_root_is_made_of_its_own_folder_at_least(built: Built) -> None:
    assert built.root in built.infrastructure.sources(built.root)


def fake_pair(folder: Path) -> Infrastructure:
    cloud = FakeCloud()
    for name in ("lgtm tempo", "loki"):
        cloud.groups[name] = FakeTargetGroup(name=name, account=cloud.account)
    root = FakeRoot(paths={"lgtm tempo": "/ready", "loki": "/ready"})
    cloud.roots[(folder / "root").resolve()] = root
    infrastructure = FakeInfrastructure(cloud)
    first = infrastructure.plan(folder / "root", [], {}, folder / "run" / "first", lambda _: None)
    infrastructure.apply(folder / "root", first, lambda _: None)
    root.paths = {"lgtm tempo": "/new", "loki": "/new"}
    return infrastructure


def terraform_pair(folder: Path) -> Infrastructure:
    file = folder / "root" / "main.tf"
    file.write_text(CHECKS)
    infrastructure = TerraformInfrastructure(workspace=folder / "workspace", environment=os.environ)
    infrastructure.init(folder / "root", [], lambda _: None)
    first = infrastructure.plan(folder / "root", [], {}, folder / "run" / "first", lambda _: None)
    infrastructure.apply(folder / "root", first, lambda _: None)
    file.write_text(CHECKS.replace("/ready", "/new"))
    return infrastructure


@pytest.fixture(params=[fake_pair, terraform_pair])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    """Two resources of one address with keys, both of which the files change."""
    (tmp_path / "root").mkdir()
    return Built(infrastructure=request.param(tmp_path), root=tmp_path / "root", out=tmp_path / "run")


def test_a_plan_of_targets_changes_these_alone(pair: Built) -> None:
    one, other = pair.infrastructure.attributes(pair.root)

    def plan(*targets: str) -> PlannedChanges:
        return pair.infrastructure.plan(pair.root, [], {}, pair.out / "part", lambda _: None, targets=targets)

    part = plan(one)
    assert [each.address for each in part.changes] == [one]
    assert part.document["complete"] is False
    pair.apply(part)

    assert plan(one).changes == ()
    assert [each.address for each in plan().changes] == [other]


def test_a_plan_is_stale_once_another_part_was_applied(pair: Built) -> None:
    one, other = pair.infrastructure.attributes(pair.root)
    plans = [
        pair.infrastructure.plan(pair.root, [], {}, pair.out / str(number), lambda _: None, targets=[target])
        for number, target in enumerate((one, other))
    ]
    pair.apply(plans[0])

    with pytest.raises(PermanentError, match="stale"):
        pair.apply(plans[1])


def test_only_one_thread_is_in_a_root_at_a_time(built: Built) -> None:
    inside: list[str] = []
    entered = threading.Event()

    def enter() -> None:
        with built.infrastructure.alone(built.root, lambda _: None):
            inside.append("second")
        entered.set()

    with built.infrastructure.alone(built.root, lambda _: None):
        thread = threading.Thread(target=enter)
        thread.start()
        inside.append("first")
    entered.wait()
    thread.join()

    assert inside == ["first", "second"]
