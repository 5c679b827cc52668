"""No plan, and no part of one, may move a health check before the new tasks of every service are known to answer."""

import random
import re
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from lgtm_deploy.steps.catalog import CATALOG

from lgtm_deploy.cli.app import run
from lgtm_deploy.cli.running import Wanted, resume_run
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.config import plan_file, stack_file
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Graph, expand
from lgtm_deploy.core.order import enforce, misordered, turns, uncovered, unplanned
from lgtm_deploy.core.plan import Plan, StepSpec
from lgtm_deploy.core.run import Run, StepRun
from tests.conftest import EXAMPLE as EXAMPLE_STACK
from tests.core import order_plans as bends
from tests.core.order_plans import BREAKING, FLIP, GATE, KEEPING, Bend, Document, bundled, cut, written

EXAMPLE = EXAMPLE_STACK / "lgtm-deploy.yaml"

HUNDRED = 100


def keeping(seed: int) -> tuple[str, Document]:
    """The plan, bent once or more in ways that keep its order."""
    chance = random.Random(seed)
    document = bundled()
    names = [name for name in KEEPING if chance.random() < 0.4] or [chance.choice(list(KEEPING))]
    for name in names:
        KEEPING[name](document, chance)
    bends.reordered(document, chance)
    return ", ".join(names), document


def breaking(seed: int, bend: Bend) -> Document:
    """The plan with its order broken, and then bent in ways that would have kept it."""
    chance = random.Random(seed)
    document = bundled()
    bend(document, chance)
    for each in (bends.with_more_ends, bends.renamed):
        if chance.random() < 0.5:
            each(document, chance)
    bends.reordered(document, chance)
    return document


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.long
def test_a_hundred_plans_that_keep_the_order_are_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    accepted: Counter[str] = Counter()
    different = set()
    for seed in range(HUNDRED):
        how, document = keeping(seed)
        file = written(document, Path("plan.yaml"))
        different.add(file.read_text())

        assert run(["validate", "./plan.yaml"]) == 0, f"{seed}: {how}: {capsys.readouterr().err}"
        accepted.update(how.split(", "))

    assert len(different) == HUNDRED
    assert accepted.keys() == KEEPING.keys()


@pytest.mark.long
def test_a_hundred_plans_that_break_the_order_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    refused: Counter[str] = Counter()
    different = set()
    for seed, (name, bend) in enumerate(islice(cycle(BREAKING.items()), HUNDRED)):
        file = written(breaking(seed, bend), Path("plan.yaml"))
        different.add(file.read_text())
        capsys.readouterr()

        assert run(["validate", "./plan.yaml"]) == 2, f"{seed}: {name} was accepted"
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith("Error: plan.yaml:"), said
        refused[name] += 1

    assert len(different) == HUNDRED
    assert refused.total() == HUNDRED
    assert refused.keys() == BREAKING.keys()


def made(document: Document) -> Plan:
    """The plan of a document, as far as the order goes: inputs that no kind of step has yet may be in it."""
    steps = {
        name: StepSpec(
            id=name,
            uses=each["uses"],
            needs=tuple(each.get("needs", ())),
            for_each=keys if isinstance(keys := each.get("for_each"), str | None) else tuple(keys),
            with_=each.get("with", {}),
        )
        for name, each in document["steps"].items()
    }
    lists = {name: tuple(document.get(name, ())) for name in ("services", "coupled")}
    allowed = tuple(document.get("allow_sequence", ("direct", "grace-hold")))
    return Plan(name="p", steps=steps, allow_sequence=allowed, **lists)


def faults(document: Document) -> list[str]:
    plan = made(document)
    return [fault.message for fault in misordered(plan, expand(plan), CATALOG)]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_file.load(plan_file.find("prefix-change", Path("/nowhere")), CATALOG)


def test_only_one_step_takes_along_what_it_needs(plan: Plan) -> None:
    whole = expand(plan)
    for name in (*plan.steps, *whole.nodes):
        part = whole.only(name)

        enforce(plan, part, CATALOG)
        if FLIP in part.nodes:
            assert {f"{GATE}[{service}]" for service in plan.services} < part.nodes.keys(), name


def test_a_part_of_a_plan_that_leaves_out_what_it_needs_is_refused(plan: Plan) -> None:
    whole = expand(plan)
    needed = {need for node in whole.nodes.values() for need in node.needs}
    for left_out in needed:
        part = Graph({name: node for name, node in whole.nodes.items() if name != left_out})

        with pytest.raises(UsageError, match=re.escape(f"needs '{left_out}', which this run leaves out")):
            enforce(plan, part, CATALOG)


def test_a_run_that_is_gone_on_with_keeps_every_gate(plan: Plan) -> None:
    stack = stack_file.load(EXAMPLE, "prod")
    known = {name: StepRun(id=name) for name in expand(plan).nodes if name != f"{GATE}[tempo]"}
    begun = Run(id="r", plan=plan.name, plan_digest=plan.digest, environment="prod", steps=known)
    settings = Settings(stack=EXAMPLE, environment="prod", output="plain", verbose=False)
    wanted = Wanted(variables={}, parallelism=1, seconds=1, ask=False, roll_back=False)

    with pytest.raises(UsageError, match=re.escape("needs 'await-tasks[tempo]', which this run leaves out")):
        resume_run(settings, stack, plan, wanted, begun)


def test_the_fault_is_pointed_at_in_the_file() -> None:
    document = bundled()
    cut(document, FLIP, GATE)
    file = written(document, Path("plan.yaml"))

    with pytest.raises(UsageError) as caught:
        plan_file.load(file, CATALOG)

    line, column = map(int, caught.value.where.rpartition("plan.yaml:")[2].split(":"))
    assert file.read_text().splitlines()[line - 1][column - 1 :].startswith('"needs"')


RULES_ONLY = {"type": "aws_lb_listener_rule", "actions": ["update"]}


@pytest.mark.parametrize(
    ("allow", "harmless"),
    [
        ([RULES_ONLY], True),
        ([RULES_ONLY, {"type": "aws_lb_target_group", "attributes": ["deregistration_delay"]}], True),
        ([], True),
        (None, False),
        ("anything", False),
        (["anything"], False),
        ([{"type": "*"}], False),
        ([{"type": "aws_lb_*", "attributes": ["tags"]}], False),
        ([{"attributes": ["tags"]}], False),
        ([{"type": "aws_lb_target_group"}], False),
        ([{"type": "aws_alb_target_group"}], False),
        ([{"type": "aws_lb_target_group", "attributes": []}], False),
        ([{"type": "aws_lb_target_group", "actions": ["update"], "attributes": ["tags"]}], True),
        ([{"type": "aws_lb_target_group", "actions": ["update", "replace"], "attributes": ["tags"]}], False),
        ([{"type": "aws_lb_target_group", "actions": ["create", "delete"], "attributes": ["tags"]}], False),
        ([{"type": "aws_lb_target_group", "actions": "update", "attributes": ["tags"]}], False),
        ([{"type": "aws_lb_target_group", "attributes": ["*"]}], False),
        ([{"type": "aws_lb_target_group", "attributes": ["tags", "health_check.path"]}], False),
        ([{"type": "aws_lb_target_group", "attributes": ["health_check[0].matcher"]}], False),
        ([RULES_ONLY, {"type": "${{ vars.type }}"}], False),
    ],
)
def test_terraform_needs_no_gate_where_its_plan_cannot_move_a_health_check(allow: Any, harmless: bool) -> None:
    document = terraform_only(allow)

    assert (faults(document) == []) is harmless


def test_a_plan_that_was_passed_on_is_allowed_what_every_step_before_allows() -> None:
    for first, second, harmless in [([RULES_ONLY],) * 2 + (True,), ([RULES_ONLY], [{}], False), ([{}], [], False)]:
        document = terraform_only(first)
        again = outputs_of("plan") | {"root": "alb", "allow": second}
        document["steps"]["plan-again"] = {"uses": "terraform-plan", "needs": ["plan"], "with": again}
        document["steps"]["apply"] = applying("plan-again")

        assert (faults(document) == []) is harmless


@pytest.mark.parametrize("name", ["plan", "sha256", "changes"])
def test_a_saved_plan_that_is_not_the_one_judged_may_do_anything(name: str) -> None:
    document = terraform_only([RULES_ONLY])
    document["steps"]["apply"]["with"][name] = "elsewhere"

    assert faults(document)


def test_a_saved_plan_of_another_root_is_not_the_one_judged() -> None:
    document = terraform_only([RULES_ONLY])
    document["steps"]["apply"]["with"]["root"] = "ecs"

    assert faults(document)


def test_without_services_nothing_says_whose_tasks_to_wait_for() -> None:
    document = terraform_only([{"type": "aws_lb_target_group"}]) | {"services": []}

    assert faults(document) == [
        "Step 'apply' may move health checks, and the plan names no service whose tasks it waits for."
    ]


EARLY = ["check-first", "matcher-widening"]


@pytest.mark.parametrize(
    ("sequences", "allowed", "found", "may"),
    [
        (EARLY, ["direct", *EARLY], "${{ steps.handover.outputs.sequence }}", True),
        (["check-first"], EARLY, "${{ steps.handover.outputs.sequence }}", True),
        (EARLY, ["direct", "check-first"], "${{ steps.handover.outputs.sequence }}", False),
        (["direct"], ["direct", *EARLY], "${{ steps.handover.outputs.sequence }}", False),
        (["check-first", "grace-hold"], ["grace-hold", *EARLY], "${{ steps.handover.outputs.sequence }}", False),
        ([], EARLY, "${{ steps.handover.outputs.sequence }}", False),
        (EARLY, EARLY, "check-first", False),
        (EARLY, EARLY, "${{ vars.sequence }}", False),
        (EARLY, EARLY, "${{ steps.handover.outputs.told }}", False),
    ],
)
def test_a_flip_before_the_images_is_for_sequences_that_are_found_and_permitted(
    sequences: list[str], allowed: list[str], found: str, may: bool
) -> None:
    document = bundled() | {"allow_sequence": allowed}
    document["steps"]["handover"] = {"uses": "preflight"}
    early = deepcopy(document["steps"][FLIP])
    early["needs"] = ["terraform-plan", "handover"]
    early["with"] |= {"sequence": found, "sequences": sequences}
    document["steps"]["early-flip"] = early

    assert (faults(document) == []) is may


def test_a_coupled_service_may_be_deployed_after_the_health_check_has_moved() -> None:
    document = bundled()

    assert "grafana" in document["coupled"]
    assert faults(document) == []
    for step in document["steps"].values():
        if step.get("for_each") == "coupled":
            step["for_each"] = ["mimir"]
    assert faults(document) == [
        f"Step '{step}' may move mimir's health check before the tasks of 'coupled-deploy[mimir]' are known to answer"
        " on the new path."
        for step in ("flip", "settle")
    ]


def test_a_coupled_service_whose_own_health_check_terraform_moves_is_no_coupled_service() -> None:
    stack = stack_file.load(EXAMPLE, "prod")
    document = bundled() | {"services": ["tempo"], "coupled": ["grafana", "pyroscope"]}

    (fault,) = uncovered(made(document), stack, CATALOG)

    assert fault.path == ("coupled", 1)
    assert "'pyroscope' is coupled, but Terraform moves its own health check" in fault.message
    assert uncovered(made(terraform_only([]) | {"steps": {}, "coupled": ["pyroscope"]}), stack, CATALOG) == []


def test_a_plan_that_releases_a_service_of_terraforms_has_to_plan_its_root() -> None:
    stack = stack_file.load(EXAMPLE, "prod")
    theirs = replace(stack.service("tempo"), task_definition="ecs")
    stack = replace(stack, services={**stack.services, "tempo": theirs})
    assert unplanned(made(bundled()), stack, CATALOG) == []

    document = bundled()
    del document["steps"]["deploy"]["with"]["releases"]
    del document["steps"]["probe-image"]["with"]["plans"]
    tried, deployed = unplanned(made(document), stack, CATALOG)

    assert tried.message == "Step 'probe-image' takes no `plans`, and Terraform releases tempo."
    assert deployed.path == ("steps", "deploy", "with")
    assert "Step 'deploy' takes no `releases`, and Terraform releases tempo." in deployed.message
    assert unplanned(made(document), stack_file.load(EXAMPLE, "prod"), CATALOG) == []


def test_services_of_one_root_are_deployed_one_after_the_other() -> None:
    stack = stack_file.load(EXAMPLE, "prod")
    plan = made(bundled() | {"services": ["tempo", "loki", "pyroscope"]})
    roots = {"tempo": "ecs", "pyroscope": "ecs", "grafana": "ecs", "loki": "logs"}
    services = {name: replace(each, task_definition=roots.get(name, "")) for name, each in stack.services.items()}

    assert turns(plan, expand(plan), stack, CATALOG) == {}
    assert turns(plan, expand(plan), replace(stack, services=services), CATALOG) == {
        "deploy[pyroscope]": "deploy[tempo]",
        "coupled-deploy[grafana]": "deploy[pyroscope]",
    }


def outputs_of(step: str) -> dict[str, Any]:
    return {name: f"${{{{ steps.{step}.outputs.{name} }}}}" for name in ("plan", "sha256", "changes")}


def applying(planned: str) -> Document:
    return {"uses": "terraform-apply", "needs": [planned], "with": {"root": "alb", **outputs_of(planned)}}


def terraform_only(allow: Any) -> Document:
    """A plan that deploys nothing and applies a Terraform plan that is allowed so much."""
    planned = {"uses": "terraform-plan", "with": {"root": "alb", "allow": allow}}
    return {"services": ["tempo"], "steps": {"plan": planned, "apply": applying("plan")}}
