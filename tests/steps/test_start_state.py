"""The state that a rollback returns to is found before anything changes, or the run is refused."""

from pathlib import Path

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Revision
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.fakes import FakeRoot
from lgtm_deploy.steps.terraform_roots import start_files
from lgtm_deploy.steps.terraform_start import find_start
from tests.steps.simulation import Simulation
from tests.steps.test_terraform_back import undeclared

EARLIER, OLDER, LATEST = "cafe" * 10, "beef" * 10, "feed" * 10
FOUND = "rollback of Terraform root 'alb': "


class World(Simulation):
    """A stack whose health check paths are literals in its Terraform files."""

    def __init__(self, workspace: Path) -> None:
        super().__init__(workspace, changed=undeclared)
        self.folder = (self.stack.directory / self.stack.root("alb").root).resolve()
        self.root = self.cloud.roots[self.folder]

    def before(self) -> FakeRoot:
        """The root as it was before its files changed."""
        checks = {name: group.health_check for name, group in self.cloud.groups.items()}
        return FakeRoot(paths={name: check.path for name, check in checks.items()}, committed=checks)

    def commit(self, commit: str, root: FakeRoot) -> None:
        """An earlier commit of the root; those that were there before are newer."""
        self.cloud.earlier[commit] = {self.folder: root}
        self.cloud.history.append(commit)

    def keep(self, root: FakeRoot) -> None:
        """The root was applied on this machine."""
        now, self.cloud.roots[self.folder] = self.cloud.roots[self.folder], root
        self.job().steps["switch-health-checks"].ports.kept.keep("alb", [self.folder])
        self.cloud.roots[self.folder] = now

    def found(self) -> tuple[str, ...]:
        """What the preview says of it."""
        return tuple(line for each in self.look_ahead().findings for line in each.lines if FOUND in line)

    def start(self) -> StartState:
        return find_start(self.stack, self.job().steps["switch-health-checks"].ports, "alb", lambda _: None)

    def fail_after_the_flip(self) -> None:
        del self.cloud.rules["/portal"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_declared_variables_that_set_all_of_it_are_planned_before_they_are_promised(tmp_path: Path) -> None:
    world = Simulation(tmp_path)

    lines = [line for each in world.look_ahead().findings for line in each.lines]

    assert f"{FOUND}by variables" in lines
    plans = [call.arguments["variables"] for call in world.cloud.calls if call.name == "infrastructure.plan"]
    assert [bool(each) for each in plans] == [False, True]


def test_a_declared_variable_that_terraform_does_not_read_any_more_is_no_way_back(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    folder = (world.stack.directory / world.stack.root("alb").root).resolve()
    checks = {name: group.health_check for name, group in world.cloud.groups.items()}
    world.cloud.roots[folder].variables.clear()
    world.cloud.earlier[EARLIER] = {
        folder: FakeRoot(paths={name: check.path for name, check in checks.items()}, committed=checks)
    }
    world.cloud.history.append(EARLIER)
    before = world.paths(), world.tags(), world.grace()

    lines = [line for each in world.look_ahead().findings for line in each.lines]
    del world.cloud.rules["/portal"]
    run = world.apply()

    assert f"{FOUND}by revision {EARLIER[:8]}" in lines
    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert (world.paths(), world.tags(), world.grace()) == before


def test_a_run_without_a_start_state_is_refused_before_anything_changes(world: World) -> None:
    run = world.apply()

    assert run.verdict == "refused"
    assert "could not be rolled back: no Git revision and no files applied before match what runs" in run.reason
    assert "--no-rollback" in run.reason
    assert [world.cloud.called(name) for name in ("registry.push", "host.update", "infrastructure.apply")] == [0, 0, 0]


def test_the_preview_says_that_a_rollback_is_impossible(world: World) -> None:
    (line,) = world.found()

    assert line.startswith(f"{FOUND}impossible: no Git revision")


def test_without_rollback_a_run_needs_no_start_state(world: World) -> None:
    assert world.apply(roll_back=False).verdict == "deployed"


def test_the_first_commit_whose_plan_is_empty_is_taken_and_the_run_comes_back_by_it(world: World) -> None:
    other = world.before()
    other.paths[next(iter(other.paths))] = "/other"
    for commit, root in ((LATEST, world.root), (OLDER, other), (EARLIER, world.before())):
        world.commit(commit, root)
    before = world.paths(), world.tags(), world.grace()
    world.fail_after_the_flip()

    assert world.found() == (f"{FOUND}by revision {EARLIER[:8]}",)
    run = world.apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert (world.paths(), world.tags(), world.grace()) == before


def test_the_newest_commit_of_the_root_is_tried_though_no_file_of_the_root_differs(world: World) -> None:
    """A file from elsewhere may have changed since."""
    world.commit(LATEST, world.before())

    assert world.start() == StartState(kind="revision", commit=LATEST)


def test_the_commit_that_was_applied_last_is_tried_first(world: World) -> None:
    world.commit(LATEST, world.root)
    world.commit(OLDER, world.before())
    world.cloud.earlier[EARLIER] = {world.folder: world.before()}
    world.cloud.applied["alb"] = Revision(commit=EARLIER)

    assert world.start() == StartState(kind="revision", commit=EARLIER)


def test_at_most_twenty_commits_are_planned(world: World) -> None:
    for number in range(30):
        root = world.before()
        root.paths[next(iter(root.paths))] = f"/{number}"
        world.commit(f"{number:040x}", root)

    assert world.start().kind == "none"
    assert world.cloud.called("source.checkout") == 20


def test_a_commit_that_cannot_be_planned_is_passed_over(world: World) -> None:
    world.commit(LATEST, world.root)
    world.commit(OLDER, FakeRoot(error="Unsupported argument."))
    world.commit(EARLIER, world.before())

    assert world.start().commit == EARLIER


def test_the_last_reason_why_a_candidate_cannot_be_planned_is_told(world: World) -> None:
    world.commit(LATEST, world.root)
    world.commit(OLDER, FakeRoot(error="Unsupported argument."))

    assert world.start().why_not == (
        "no Git revision and no files applied before match what runs"
        f" (2 tried; {OLDER[:8]} cannot be planned: Unsupported argument)"
    )


def test_a_shallow_clone_is_told_and_how_to_get_the_rest(world: World) -> None:
    world.cloud.shallow = True

    assert "The Git clone is a shallow one: run `git fetch --unshallow`, or pass --no-rollback" in world.apply().reason


def test_files_that_were_applied_before_bring_a_run_back_where_no_commit_does(world: World) -> None:
    world.keep(world.before())
    before = world.paths(), world.tags(), world.grace()
    world.fail_after_the_flip()

    (line,) = world.found()
    run = world.apply()

    assert line.startswith(f"{FOUND}by the files applied on ")
    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert (world.paths(), world.tags(), world.grace()) == before


def test_each_apply_keeps_its_files_for_a_later_run(world: World) -> None:
    world.keep(world.before())

    assert world.apply().verdict == "deployed"

    assert len(world.cloud.kept["alb"]) == 2
    assert world.start() == StartState(
        kind="files", digest=world.cloud.kept["alb"][0][0].digest, at=world.cloud.kept["alb"][0][0].at
    )


def test_the_files_that_run_are_noted_as_such(world: World) -> None:
    world.keep(world.before())
    world.keep(world.root)
    digest = world.cloud.kept["alb"][1][0].digest

    assert world.start().digest == digest
    assert world.cloud.kept["alb"][0][0].digest == digest

    world.fail_after_the_flip()
    assert world.apply().verdict == "rolled-back"
    assert world.cloud.kept["alb"][0][0].digest == digest


def test_a_start_state_that_is_variables_has_no_files(world: World) -> None:
    ports = world.job().steps["switch-health-checks"].ports

    with (
        pytest.raises(PermanentError, match="none was looked for, as the declared variables led back"),
        start_files(ports, "alb", StartState(kind="variables"), purpose="start"),
    ):
        pass
