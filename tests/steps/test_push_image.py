"""A rollback names what a push leaves in ECR, and puts the earlier image back under a pinned tag."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.core.errors import AccessError, PermanentError, RefusedError, TransientError
from lgtm_deploy.core.event import RollbackFinished, RollbackStarted, StepLeftAsIs
from lgtm_deploy.core.run import Run
from lgtm_deploy.engine.conduct import Decisions
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.engine.undo import undo
from lgtm_deploy.fakes import Contract
from tests.steps.simulation import BOTH, Simulation, no_hook
from tests.steps.terraform_world import NEW, TerraformWorld

PUSHES = tuple(f"push[{name}]" for name in BOTH)


def failing(world: Simulation) -> Simulation:
    """The change fails after the deployments."""
    world.cloud.script.fail_next("infrastructure.apply", PermanentError("no"))
    return world


def pinned(world: Simulation) -> dict[str, str]:
    """The digest that the pinned tag of each service names."""
    return {name: world.cloud.repositories[world.service(name).repository].tags["stable"] for name in BOTH}


def undone(world: Simulation) -> Run:
    """Another process undoes the last run."""
    run = Run(id=world.last.id).folded(record.event for record in world.journal.records(world.last.id))
    job = replace(world.job(), writer=JournalWriter(run, world.journal, 2))
    return undo(job, Decisions(approve=lambda _: True), no_hook, by="me")


def during_rollback(world: Simulation, act: Callable[[], object]) -> None:
    """Something happens once the rollback has begun."""
    done: list[bool] = []

    def look() -> None:
        if not done and any(isinstance(event, RollbackStarted) for event in world.events):
            done.append(True)
            act()

    world.clock.meanwhile = look


def move_portal(world: Simulation) -> str:
    """Somebody else pushes an image under the pinned tag of the portal."""
    return world.cloud.put_image("lgtm-portal", "stable", Contract(answers={"/theirs": ""}))


def test_a_rollback_leaves_pushed_images_in_ecr_and_says_so(tmp_path: Path) -> None:
    world = failing(Simulation(tmp_path))

    run = world.apply()

    assert run.verdict == "rolled-back"
    for name in BOTH:
        step = run.steps[f"push[{name}]"]
        tag = run.steps[f"build[{name}]"].outputs["tag"]
        assert step.status == "left-as-is"
        assert step.remains == f"lgtm-{name}:{tag} remains in ECR, unused"
        assert tag in world.cloud.repositories[f"lgtm-{name}"].tags
    [finished] = [event for event in world.events if isinstance(event, RollbackFinished)]
    assert {left.partition(":")[0] for left in finished.left} == {*PUSHES, "push[grafana]"}


def test_an_image_that_the_service_still_runs_is_not_called_unused(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    assert world.apply().verdict == "deployed"
    world.cloud.script.fail_next("host.update", PermanentError("Not now."), times=99)

    run = undone(world)

    assert run.verdict == "rollback-failed"
    for name in BOTH:
        assert run.steps[f"push[{name}]"].remains.endswith(f"remains in ECR, in use by {name}")


def test_a_push_that_put_nothing_into_ecr_leaves_nothing(tmp_path: Path) -> None:
    world = Simulation(tmp_path)
    world.cloud.script.fail_next("registry.push", AccessError("denied"), times=9)

    run = world.apply()

    assert run.verdict == "rolled-back"
    assert {run.steps[name].remains for name in PUSHES} == {""}
    assert not [event for event in world.events if isinstance(event, StepLeftAsIs)]


def test_the_pinned_tag_names_the_earlier_image_after_a_rollback(tmp_path: Path) -> None:
    world = Simulation(tmp_path, pinned_tag="stable")
    before = pinned(world)

    run = failing(world).apply()

    assert (run.verdict, run.differs) == ("rolled-back", ())
    assert pinned(world) == before
    assert all(run.steps[name].remains.endswith("remains in ECR, unused") for name in PUSHES)


def test_the_pinned_tag_moves_again_when_the_change_is_applied_again(tmp_path: Path) -> None:
    world = Simulation(tmp_path, pinned_tag="stable")
    before = pinned(world)
    failing(world).apply()
    failing(world)

    again = world.apply()

    assert again.verdict == "rolled-back"
    assert pinned(world) == before
    assert {again.steps[name].status for name in PUSHES} == {"compensated"}, "ECR had the images already"
    assert world.apply().verdict == "deployed"
    assert all(pinned(world)[name] != before[name] for name in BOTH)


def test_undoing_a_finished_run_puts_the_earlier_image_back_under_the_pinned_tag(tmp_path: Path) -> None:
    world = Simulation(tmp_path, pinned_tag="stable")
    before = pinned(world)
    assert world.apply().verdict == "deployed"

    run = undone(world)

    assert (run.verdict, run.exit_code, run.differs) == ("rolled-back", 0, ())
    assert pinned(world) == before


def test_a_run_is_not_undone_once_somebody_else_has_moved_the_pinned_tag(tmp_path: Path) -> None:
    world = Simulation(tmp_path, pinned_tag="stable")
    world.apply()
    theirs = move_portal(world)

    with pytest.raises(RefusedError, match="lgtm-portal:stable was moved by somebody else since") as refused:
        undone(world)

    assert theirs in str(refused.value)
    assert pinned(world)["portal"] == theirs


def test_a_tag_that_cannot_be_put_back_is_a_failed_rollback_with_the_command(tmp_path: Path) -> None:
    world = failing(Simulation(tmp_path, pinned_tag="stable"))
    before = pinned(world)["portal"]
    during_rollback(
        world, lambda: world.cloud.script.fail_next("registry.tag", AccessError("No ecr:PutImage."), times=2)
    )

    run = world.apply()

    assert (run.verdict, run.exit_code) == ("rollback-failed", 3)
    [portal] = [each for each in run.differs if each.startswith("push[portal]")]
    assert f"not {before}: No ecr:PutImage. Run: aws ecr put-image --repository-name lgtm-portal" in portal
    assert '--image-tag stable --image-manifest "$(aws ecr batch-get-image' in portal
    assert f"imageDigest={before}" in portal


def test_a_registry_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    world = failing(Simulation(tmp_path, pinned_tag="stable"))
    before = pinned(world)
    during_rollback(world, lambda: world.cloud.script.fail_next("registry.tag", TransientError("Rate exceeded.")))

    assert world.apply().verdict == "rolled-back"
    assert pinned(world) == before


def test_an_image_that_somebody_pushes_meanwhile_keeps_the_tag(tmp_path: Path) -> None:
    world = failing(Simulation(tmp_path, pinned_tag="stable"))
    theirs: list[str] = []
    during_rollback(world, lambda: theirs.append(move_portal(world)))

    run = world.apply()

    assert run.verdict == "rollback-failed"
    assert pinned(world)["portal"] == theirs[0]
    assert f"lgtm-portal:stable was moved by somebody else: it names {theirs[0]}" in run.reason
    assert "Run: aws ecr put-image" in run.reason


def test_the_tag_that_terraform_plans_stays_and_is_named(tmp_path: Path) -> None:
    world = TerraformWorld(tmp_path)
    del world.cloud.rules["/portal"]

    run = world.apply()

    assert run.verdict == "rolled-back"
    for name in BOTH:
        tag = run.steps[f"build[{name}]"].outputs["tag"]
        assert run.steps[f"push[{name}]"].remains == f"lgtm-{name}:{tag} and lgtm-{name}:{NEW} remain in ECR, unused"
