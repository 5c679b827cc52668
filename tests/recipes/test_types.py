"""Each wrong order that plan files of schema 1 could hold does not type-check in a recipe, or is refused as a graph.

`tests/core/test_order.py` has the orders that types cannot hold: gates that are left out.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = str(ROOT / "examples" / "own-recipe" / "lgtm_announce")
HEAD = """
from lgtm_deploy.core.graph import Graph, Phase
from lgtm_deploy.steps import await_tasks, build_image, deploy_service, probe_image, push_image
from lgtm_deploy.steps.await_tasks import AwaitTasks
from lgtm_deploy.steps.plan_task_definitions import Outputs as Definitions
from lgtm_deploy.steps.results import BuiltImage, Deployment, HealthyTasks, PushedImage, TestedImage
from lgtm_deploy.steps.terraform_apply import ApplyInputs, TerraformApply
from lgtm_deploy.steps.terraform_plan import SavedPlan


def recipe(
    graph: Graph,
    built: BuiltImage,
    tested: TestedImage,
    pushed: PushedImage,
    deployed: Deployment,
    gate: HealthyTasks,
    planned: SavedPlan,
    definitions: Definitions,
) -> object:
    return """
GOOD = """[
        probe_image.Inputs(built=built, releases=definitions.releases, plans=definitions.plans),
        push_image.Inputs(tested=tested, releases=definitions.releases),
        deploy_service.Inputs(pushed=pushed, releases=definitions.releases),
        await_tasks.Inputs(deployed=deployed),
        ApplyInputs(planned=planned, healthy=(gate,)),
    ]
"""
# What was wrong -> the same in a recipe, and mypy's answer.
WRONG = {
    "the switch waits for no gate": ("ApplyInputs(planned=planned)", 'Missing named argument "healthy"'),
    "the switch waits for a deployment": ("ApplyInputs(planned=planned, healthy=(deployed,))", "incompatible type"),
    "the switch waits for a push": ("ApplyInputs(planned=planned, healthy=(pushed,))", "incompatible type"),
    "the switch applies a plan from elsewhere": (
        'ApplyInputs(planned="alb.tfplan", healthy=(gate,))',
        "incompatible type",
    ),
    "the strategy is the author's word": (
        'ApplyInputs(planned=planned, healthy=(), sequence="check-first", sequences=("check-first",))',
        'incompatible type "str"; expected "ChosenStrategy"',
    ),
    "a gate of another service": (
        'await_tasks.Inputs(service="loki", deployed=deployed)',
        'Unexpected keyword argument "service"',
    ),
    "a gate of an image that is not deployed": ("await_tasks.Inputs(deployed=pushed)", "incompatible type"),
    "a gate of a digest from elsewhere": (
        'await_tasks.Inputs(deployed=deployed, digest="sha256:1")',
        'Unexpected keyword argument "digest"',
    ),
    "a deployment of another service": (
        'deploy_service.Inputs(service="loki", pushed=pushed, releases=definitions.releases)',
        'Unexpected keyword argument "service"',
    ),
    "a deployment of an image that was not pushed": (
        "deploy_service.Inputs(pushed=tested, releases=definitions.releases)",
        "incompatible type",
    ),
    "a digest from elsewhere": (
        'deploy_service.Inputs(pushed="sha256:1", releases=definitions.releases)',
        "incompatible type",
    ),
    "a deployment without the plan of its root": (
        "deploy_service.Inputs(pushed=pushed)",
        'Missing named argument "releases"',
    ),
    "a push of another service": (
        'push_image.Inputs(service="loki", tested=tested, releases=definitions.releases)',
        'Unexpected keyword argument "service"',
    ),
    "a push of an image that was not tested": (
        "push_image.Inputs(tested=built, releases=definitions.releases)",
        "incompatible type",
    ),
    "a push of another tag": (
        'push_image.Inputs(tested=tested, tag="2.9.0", releases=definitions.releases)',
        'Unexpected keyword argument "tag"',
    ),
    "a smoke test of another service": (
        'probe_image.Inputs(service="loki", built=built, releases={}, plans={})',
        'Unexpected keyword argument "service"',
    ),
    "inputs of another kind of step": (
        'graph.add("a", AwaitTasks, build_image.Inputs(service="loki"), title="", phase=Phase.WAIT)',
        'Cannot infer value of type parameter "InputsT"',
    ),
}


@pytest.mark.long
def test_a_wrong_order_does_not_type_check(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(HEAD + GOOD)
    for number, (expression, _) in enumerate(WRONG.values()):
        (tmp_path / f"wrong_{number}.py").write_text(f"{HEAD}{expression}\n")

    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-incremental",
            SAMPLE,
            *sorted(map(str, tmp_path.glob("*.py"))),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    ).stdout

    assert "good.py" not in said
    assert "lgtm_announce" not in said
    for number, (name, (_, answer)) in enumerate(WRONG.items()):
        errors = [line for line in said.splitlines() if f"wrong_{number}.py" in line and "error" in line]
        assert any(answer in line for line in errors), f"{name}: {errors}"
