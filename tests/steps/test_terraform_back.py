"""Terraform's way back: by variables, by the revision that was applied last, and at last by the load balancer alone."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from lgtm_deploy.core.errors import DeadlineError, DeployError, InterruptedRunError, PermanentError, TransientError
from lgtm_deploy.core.gate import Open, Waiting
from lgtm_deploy.core.ports import Revision
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.start_state import StartState
from lgtm_deploy.core.touched import Touched
from lgtm_deploy.core.values import typed
from lgtm_deploy.fakes import FakeRoot
from lgtm_deploy.steps.terraform_apply import ApplyInputs, ApplySeen, TerraformApply
from lgtm_deploy.steps.terraform_plan import SavedPlan, TerraformPlan
from tests.steps.simulation import Simulation
from tests.steps.test_terraform import GROUP, TOPIC, Place, quiet

EARLIER = "cafe" * 10
RULE: dict[str, Any] = {
    "address": "aws_lb_listener_rule.portal",
    "mode": "managed",
    "type": "aws_lb_listener_rule",
    "name": "portal",
    "change": {"actions": ["update"], "before": {"priority": 30}, "after": {"priority": 31}},
}


class Changed:
    """The health checks have moved; the stack declares no variable unless it is said to."""

    def __init__(self, place: Place, *, variables: bool = False, earlier: str = EARLIER) -> None:
        self.place = place
        if not variables:
            services = {
                name: replace(
                    service,
                    health=replace(service.health, variable="", matcher_variable="", unhealthy_threshold_variable=""),
                )
                for name, service in place.stack.services.items()
            }
            place.stack = replace(place.stack, services=services)
        self.folder = (place.stack.directory / place.stack.root("alb").root).resolve()
        before = {group: place.cloud.groups[group].health_check for group in place.root.paths}
        self.old = FakeRoot(paths={group: check.path for group, check in before.items()}, committed=dict(before))
        place.cloud.earlier[EARLIER] = {self.folder: self.old}
        if earlier:
            place.cloud.applied["alb"] = Revision(commit=earlier)
        self.step, inputs, seen = place.apply(place.plan())
        # As another process has it: from the journal alone.
        self.inputs: ApplyInputs = typed(ApplyInputs, json.loads(json.dumps(asdict(inputs))))
        self.seen: ApplySeen = typed(ApplySeen, json.loads(json.dumps(asdict(seen))))
        self.step = TerraformApply(place.stack, place.ports)

    def back(self) -> None:
        self.step.compensate(self.inputs, self.seen, quiet)

    def refused(self) -> str:
        with pytest.raises(PermanentError) as error:
            self.back()
        return error.value.message

    @property
    def is_back(self) -> bool:
        return isinstance(self.step.restored(self.inputs, self.seen), Open)

    def revisions(self) -> list[Path]:
        return list(self.place.ports.workspace.glob("*.revision"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_declared_variables_are_the_first_way(place: Place) -> None:
    changed = Changed(place, variables=True)
    assert not changed.is_back

    changed.back()

    assert changed.is_back
    assert place.check[0] == "/ready"
    assert place.cloud.called("source.checkout") == place.cloud.called("balancer.set_health_check") == 0


def test_without_variables_the_revision_that_was_applied_last_is_planned_guarded_and_applied(place: Place) -> None:
    changed = Changed(place)

    changed.back()

    assert changed.is_back
    assert place.check[0] == "/ready"
    assert place.cloud.called("balancer.set_health_check") == 0
    assert changed.revisions() == []


def test_a_revision_that_would_change_more_is_refused_and_leaves_nothing_behind(place: Place) -> None:
    changed = Changed(place)
    changed.old.also.append(TOPIC)

    told = changed.refused()

    assert "by the earlier revision: Terraform's plan of 'alb' changes what it may not" in told
    assert "aws_sns_topic.alarms: would be destroyed" in told
    assert changed.revisions() == []


def test_a_revision_that_does_not_lead_all_the_way_back_is_not_applied(place: Place) -> None:
    changed = Changed(place)
    changed.old.paths[GROUP] = "/elsewhere"
    applied = place.cloud.called("infrastructure.apply")

    told = changed.refused()

    assert 'health_check.path would be "/elsewhere", it was "/ready"' in told
    assert place.cloud.called("infrastructure.apply") == applied


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"earlier": ""}, "no revision is recorded for its last apply"),
        ({"earlier": "dead" * 10}, "There is no revision dead"),
    ],
)
def test_at_last_the_load_balancer_is_brought_back_and_the_drift_is_told(
    place: Place, how: dict[str, Any], why: str
) -> None:
    changed = Changed(place, **how)

    told = changed.refused()

    assert place.check[0] == "/ready"
    assert f"the health check of {GROUP} is" in told
    assert "back by the API, and not in Terraform" in told
    assert "health_check.path" in told
    assert "by variables: the stack declares no variables" in told
    assert why in told


def test_what_the_load_balancer_cannot_tell_is_looked_for_in_the_state_and_told_to_be_left(place: Place) -> None:
    changed = Changed(place, earlier="")
    rule = Touched(
        type=RULE["type"], name=RULE["address"], attributes=("priority",), before={"priority": "30"}, named="portal"
    )
    planned = changed.inputs.planned
    changed.inputs = replace(changed.inputs, planned=replace(planned, touched=(*planned.touched, rule)))
    place.root.also.append({**RULE, "change": {"actions": ["no-op"], "before": {"priority": 31}, "after": {}}})

    assert "left as it is: aws_lb_listener_rule.portal" in changed.refused()
    still = changed.step.restored(changed.inputs, changed.seen)

    assert place.check[0] == "/ready"
    assert still == Waiting(reason="aws_lb_listener_rule.portal: priority is 31, it was 30")


@pytest.mark.parametrize("error", [TransientError("Rate exceeded."), DeadlineError("still locked by ci@runner-4")])
def test_a_lock_that_is_never_given_back_keeps_no_load_balancer_wrong(place: Place, error: DeployError) -> None:
    changed = Changed(place, variables=True)
    place.cloud.script.fail_next("infrastructure.plan", error, times=2)

    told = changed.refused()

    assert str(error).rstrip(".") in told
    assert place.check[0] == "/ready"


def test_a_second_request_to_stop_is_heeded_on_every_way(place: Place) -> None:
    changed = Changed(place, variables=True)
    place.cloud.script.fail_next("infrastructure.plan", InterruptedRunError("Stopped."))

    with pytest.raises(InterruptedRunError):
        changed.back()
    assert place.check[0] == "/portal/ready"


def test_what_is_applied_says_its_revision(place: Place) -> None:
    place.cloud.revision = Revision(commit=EARLIER, dirty=True)
    step, inputs, seen = place.apply(place.plan())

    outputs = step.apply(replace(inputs, planned=place.plan()), seen, quiet)

    assert (outputs.commit, outputs.dirty) == (EARLIER, True)


def undeclared(service: Service) -> Service:
    """The service without variables that set its health check."""
    health = replace(service.health, variable="", matcher_variable="", unhealthy_threshold_variable="")
    return replace(service, health=health)


def failing_after_the_flip(workspace: Path) -> Simulation:
    simulation = Simulation(workspace, changed=undeclared)
    del simulation.cloud.rules["/portal"]
    return simulation


def test_a_run_comes_back_by_the_revision_that_was_applied_last(tmp_path: Path) -> None:
    simulation = failing_after_the_flip(tmp_path)
    before = simulation.paths(), simulation.tags(), simulation.grace()
    root = (simulation.stack.directory / simulation.stack.root("alb").root).resolve()
    checks = {name: group.health_check for name, group in simulation.cloud.groups.items()}
    old = FakeRoot(paths={name: check.path for name, check in checks.items()}, committed=checks)
    simulation.cloud.earlier[EARLIER] = {root: old}
    simulation.cloud.applied["alb"] = Revision(commit=EARLIER)

    run = simulation.apply()

    assert run.verdict == "rolled-back", run.reason
    assert (simulation.paths(), simulation.tags(), simulation.grace()) == before


def test_a_run_whose_terraform_stays_behind_has_not_rolled_back_though_all_targets_are_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = failing_after_the_flip(tmp_path)
    before = simulation.paths(), simulation.tags(), simulation.grace()
    start = StartState(kind="revision", commit="dead" * 10)
    graph = simulation.graph()
    switch = graph.nodes["switch-health-checks"]
    planned = replace(
        SavedPlan(**{each.name: getattr(switch.inputs.planned, each.name) for each in fields(SavedPlan)}), start=start
    )
    graph.nodes[switch.id] = replace(switch, inputs=replace(switch.inputs, planned=planned))
    monkeypatch.setattr(simulation, "graph", lambda: graph)
    monkeypatch.setattr(TerraformPlan, "irreversible", lambda *_: "")

    run = simulation.apply()

    assert run.verdict == "rollback-failed"
    [differs] = run.differs
    assert "back by the API, and not in Terraform" in differs
    assert (simulation.paths(), simulation.tags(), simulation.grace()) == before
