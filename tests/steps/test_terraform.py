"""What Terraform may change, for the handover and after it, and what may come back."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.errors import PermanentError, RefusedError, TransientError
from lgtm_deploy.core.gate import Open, Waiting
from lgtm_deploy.core.guard import Allowance
from lgtm_deploy.core.ports import Ports
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.step import Change, Nothing
from lgtm_deploy.fakes import FakeCloud, fake_ports, lay
from lgtm_deploy.steps.results import ChosenStrategy
from lgtm_deploy.steps.terraform_apply import ApplyInputs, TerraformApply
from lgtm_deploy.steps.terraform_plan import PlanInputs, ReplanInputs, SavedPlan, TerraformPlan, TerraformReplan
from lgtm_deploy.steps.terraform_settle import SettleInputs, TerraformSettle
from tests.steps.simulation import two_moving

TYPE = "aws_lb_target_group"
GROUP = "lgtm-prod-portal-tg"
ADDRESS = f'{TYPE}.this["{GROUP}"]'
PATH = (Allowance(type=TYPE, attributes=("health_check.path", "health_check.matcher")),)
WINDOW = (
    Allowance(type=TYPE, attributes=("health_check.path", "health_check.matcher", "health_check.unhealthy_threshold")),
)
RAISED = {"portal_unhealthy_threshold": "7"}
TOPIC: Mapping[str, Any] = {
    "address": "aws_sns_topic.alarms",
    "mode": "managed",
    "type": "aws_sns_topic",
    "name": "alarms",
    "change": {"actions": ["delete"], "before": {"name": "alarms"}, "after": None},
}


def quiet(_line: str) -> None:
    """Nobody listens."""


class Place:
    """The stack in the cloud in memory, and its load balancer's root."""

    def __init__(self, workspace: Path) -> None:
        self.stack: Stack = two_moving()
        self.cloud: FakeCloud = lay(self.stack)
        self.ports: Ports = fake_ports(self.stack, self.cloud, workspace)
        self.root = self.cloud.roots[(self.stack.directory / self.stack.root("alb").root).resolve()]

    @property
    def check(self) -> tuple[str, str, int]:
        found = self.cloud.groups[GROUP].health_check
        return found.path, found.matcher, found.unhealthy_threshold

    def plan(self, allow: tuple[Allowance, ...] = PATH, **variables: str) -> SavedPlan:
        inputs = PlanInputs(root="alb", allow=allow, variables=variables)
        step = TerraformPlan(self.stack, self.ports)
        return step.apply(inputs, step.observe(inputs), quiet)

    def apply(self, planned: SavedPlan, **inputs: Any) -> tuple[TerraformApply, ApplyInputs, Any]:
        """Applies it, and gives what undoing it needs."""
        step = TerraformApply(self.stack, self.ports)
        # Without a start state, a rollback returns to the revision that was applied last.
        made = ApplyInputs(planned=replace(planned, start=StartState()), healthy=(), **inputs)
        seen = step.observe(made)
        step.apply(made, seen, quiet)
        return step, made, seen

    def change_committed(self, **values: Any) -> None:
        """Somebody commits another health check for Tempo."""
        self.root.committed[GROUP] = replace(self.root.committed[GROUP], **values)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_plan_says_exactly_what_it_touches(place: Place) -> None:
    planned = place.plan()

    assert [each.name for each in planned.touched] == [ADDRESS, f'{TYPE}.this["lgtm-prod-pyroscope-tg"]']
    assert {each.attributes for each in planned.touched} == {("health_check.path",)}
    assert "document" not in str(planned)


def test_a_plan_that_changes_more_is_refused_with_every_line(place: Place) -> None:
    place.change_committed(interval=30)
    place.root.also.append(TOPIC)

    with pytest.raises(RefusedError) as refused:
        place.plan()

    assert f"{ADDRESS}: health_check.interval 5 -> 30 is not allowed" in refused.value.message
    assert "aws_sns_topic.alarms: would be destroyed" in refused.value.message
    assert "health_check.path" not in refused.value.message


def test_of_a_plan_that_changes_everything_a_dozen_lines_are_told(place: Place) -> None:
    place.root.also.extend({**TOPIC, "address": f"aws_sns_topic.t{number}"} for number in range(20))

    with pytest.raises(RefusedError, match="t11: would be destroyed; and 8 more"):
        place.plan()


def test_without_an_allowance_nothing_may_change(place: Place) -> None:
    with pytest.raises(RefusedError, match=r"health_check\.path"):
        place.plan(())

    place.root.paths = {name: group.health_check.path for name, group in place.cloud.groups.items()}
    assert place.plan(()).changes == ()


def replanned(place: Place, planned: SavedPlan, variables: Mapping[str, str]) -> Change | SavedPlan:
    step = TerraformReplan(place.stack, place.ports)
    inputs = ReplanInputs(planned=planned, variables=variables, allow=WINDOW)
    proposal = step.propose(inputs, step.observe(inputs))
    if isinstance(proposal, Nothing):
        assert step.still_holds(inputs, proposal.outputs) == ""
        return proposal.outputs
    return step.apply(inputs, step.observe(inputs), quiet)


def test_without_variables_the_plan_is_passed_through(place: Place) -> None:
    planned = place.plan()
    plans = place.cloud.called("infrastructure.plan")

    passed = replanned(place, planned, {})
    assert isinstance(passed, SavedPlan)
    assert passed == replace(planned, start=passed.start, told=())
    assert place.cloud.called("infrastructure.plan") == plans


def test_the_window_is_another_plan_and_the_first_stays_as_it_was(place: Place) -> None:
    planned = place.plan()
    window = replanned(place, planned, RAISED)

    assert isinstance(window, SavedPlan)
    assert f"~ {ADDRESS}: health_check.unhealthy_threshold 4 -> 7" in window.changes
    assert window.plan != planned.plan
    assert Path(planned.plan).is_file()


def test_a_window_that_would_change_more_is_refused(place: Place) -> None:
    planned = place.plan()
    place.change_committed(timeout=4)

    with pytest.raises(RefusedError, match=r"health_check\.timeout 2 -> 4 is not allowed"):
        replanned(place, planned, RAISED)


@pytest.mark.parametrize(
    ("sequence", "sequences", "acts"),
    [
        ("", (), True),
        ("check-first", (), True),
        ("grace-hold", ("direct", "grace-hold"), True),
        ("check-first", ("direct", "grace-hold"), False),
        ("none", ("direct", "grace-hold"), False),
        ("none", ("none", "direct"), True),
        ("", ("direct",), False),
    ],
)
def test_the_plan_is_applied_in_the_sequences_that_it_belongs_to(
    place: Place, sequence: str, sequences: tuple[str, ...], acts: bool
) -> None:
    planned = place.plan()
    step = TerraformApply(place.stack, place.ports)
    inputs = ApplyInputs(planned=planned, healthy=(), sequence=ChosenStrategy(sequence), sequences=sequences)

    assert isinstance(step.propose(inputs, step.observe(inputs)), Change) is acts


def settled(place: Place, planned: SavedPlan, variables: Mapping[str, str]) -> Any:
    step = TerraformSettle(place.stack, place.ports)
    inputs = SettleInputs(planned=planned, complete=(), variables=variables)
    seen = step.observe(inputs)
    if isinstance(step.propose(inputs, seen), Change):
        step.apply(inputs, seen, quiet)
    return step, inputs, seen


def test_what_was_raised_for_the_window_comes_back_and_the_path_stays(place: Place) -> None:
    window = place.plan(WINDOW, **RAISED)
    place.apply(window, variables=RAISED)
    assert place.check == ("/portal/ready", "200", 7)

    step, inputs, seen = settled(place, window, RAISED)

    assert place.check == ("/portal/ready", "200", 4)
    again = step.recall(step.observe(inputs), seen)
    assert isinstance(step.propose(inputs, again), Nothing)


def test_a_matcher_that_was_widened_is_narrow_again(place: Place) -> None:
    wide = {"portal_health_check_matcher": "200,404"}
    window = place.plan(PATH, **wide)
    place.apply(window, variables=wide)
    assert place.check == ("/portal/ready", "200,404", 4)

    settled(place, window, wide)

    assert place.check == ("/portal/ready", "200", 4)


def test_without_a_window_there_is_nothing_to_settle(place: Place) -> None:
    planned = place.plan()
    place.apply(planned)
    before = place.cloud.called("infrastructure.plan")

    settled(place, planned, {})

    assert place.cloud.called("infrastructure.plan") == before


@pytest.mark.parametrize(
    ("committed", "line"),
    [
        ({"interval": 30}, "health_check.interval 5 -> 30 is not allowed"),
        # It was widened by nobody: the window was about the threshold.
        ({"matcher": "204"}, 'health_check.matcher "200" -> "204" is not allowed'),
    ],
)
def test_settling_changes_nothing_but_what_the_window_did(place: Place, committed: dict[str, Any], line: str) -> None:
    window = place.plan(WINDOW, **RAISED)
    place.apply(window, variables=RAISED)
    place.change_committed(**committed)

    with pytest.raises(PermanentError) as refused:
        settled(place, window, RAISED)

    assert line in refused.value.message
    assert place.check == ("/portal/ready", "200", 7)


def test_path_matcher_and_threshold_are_recorded_and_come_back(place: Place) -> None:
    variables = {**RAISED, "portal_health_check_matcher": "200,404"}
    window = place.plan(WINDOW, **variables)
    step, inputs, seen = place.apply(window, variables=variables)
    assert place.check == ("/portal/ready", "200,404", 7)
    assert isinstance(step.restored(inputs, seen), Waiting)

    step.compensate(inputs, seen, quiet)

    assert place.check == ("/ready", "200", 4)
    assert isinstance(step.restored(inputs, seen), Open)


def test_a_settled_window_can_be_opened_again_on_the_way_back(place: Place) -> None:
    window = place.plan(WINDOW, **RAISED)
    flip, flipped, at_flip = place.apply(window, variables=RAISED)
    settle, inputs, seen = settled(place, window, RAISED)

    settle.compensate(inputs, seen, quiet)
    assert place.check == ("/portal/ready", "200", 7)
    assert isinstance(settle.restored(inputs, seen), Open)
    flip.compensate(flipped, at_flip, quiet)
    assert place.check == ("/ready", "200", 4)


def test_by_terraform_nothing_comes_back_but_what_was_changed(place: Place) -> None:
    step, inputs, seen = place.apply(place.plan())
    place.change_committed(timeout=4)
    place.root.also.append(TOPIC)

    with pytest.raises(PermanentError) as refused:
        step.compensate(inputs, seen, quiet)

    assert f"{ADDRESS}: health_check.timeout 2 -> 4 is not allowed" in refused.value.message
    assert "aws_sns_topic.alarms: would be destroyed" in refused.value.message
    assert place.cloud.called("infrastructure.apply") == 1


def test_an_apply_without_an_answer_is_recalled_with_the_variables_it_was_planned_with(place: Place) -> None:
    window = place.plan(WINDOW, **RAISED)
    step, inputs, seen = place.apply(window, variables=RAISED)

    again = step.recall(step.observe(inputs), seen)

    assert again.before == seen.before
    assert isinstance(step.propose(inputs, again), Nothing)


def test_what_an_earlier_process_began_is_over_when_the_state_can_be_locked(place: Place) -> None:
    step, inputs, seen = place.apply(place.plan())
    planned = place.cloud.called("infrastructure.plan")

    step.quiesce(inputs, seen, quiet)

    assert place.cloud.called("infrastructure.plan") == planned + 1
    place.cloud.script.fail_next("infrastructure.plan", TransientError("It is locked by ada."))
    with pytest.raises(TransientError, match="ada"):
        step.quiesce(inputs, seen, quiet)


def test_a_saved_plan_holds_until_the_state_changes(place: Place) -> None:
    planned = place.plan()
    step = TerraformPlan(place.stack, place.ports)
    inputs = PlanInputs(root="alb", allow=PATH)

    assert step.still_holds(inputs, planned) == ""
    place.root.serial += 1
    assert step.still_holds(inputs, planned) == "the state has changed since it was planned"
    assert step.still_holds(inputs, replace(planned, changes=())) == ""
