"""Preflight refuses what Terraform, a task definition or a missing lock file would break."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.fakes.cloud import CHANGES
from lgtm_deploy.steps.preflight.step import Inputs
from tests.steps.test_preflight import Here

ECS = "terraform/modules/ecs/main.tf"
ROOT = "terraform/environments/prod/60-ecs"
IGNORED = "ignore_changes = [task_definition, health_check_grace_period_seconds, desired_count]"
ALB = "terraform/environments/prod/50-alb"
LOCK_FILE = ".terraform.lock.hcl"
GRAFANA_URL = {"grafana": {"GF_TEMPO_URL": "http://tempo:3200", "GF_SECURITY_ADMIN_PASSWORD": "canary"}}


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def line_of(here: Here, file: str, text: str) -> int:
    lines = (here.folder / file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def place_of(here: Here, file: str, text: str) -> str:
    return f"{file}:{line_of(here, file, text)}"


def refusal(here: Here, *words: str) -> str:
    """The reason, which holds these words. Nothing was changed."""
    here.cloud.calls.clear()
    reason = here.refusal()
    assert not {call.name for call in here.cloud.calls} & CHANGES
    for word in words:
        assert word in reason
    return reason


def set_variables(here: Here, name: str, environment: dict[str, dict[str, str]]) -> None:
    here.cloud.services[here.service(name).ecs_service].environment = environment


def told(here: Here) -> str:
    return "\n".join(here.outputs().told)


def test_a_service_that_terraform_would_put_back_is_refused_with_both_ways_out(here: Here) -> None:
    here.edit(ECS, IGNORED, "ignore_changes = [desired_count]")

    reason = refusal(
        here,
        place_of(here, ECS, 'resource "aws_ecs_service"'),
        "lgtm-prod-tempo and its task definition",
        f"Add task_definition to `ignore_changes` at {place_of(here, ECS, 'ignore_changes')}",
        "or set `task_definition: {terraform: ecs}` of tempo in the stack file",
    )

    assert "lgtm-prod-loki" not in reason


def test_a_service_without_lifecycle_gets_the_lines_to_add(here: Here) -> None:
    here.edit(ECS, IGNORED, "prevent_destroy = true")

    block = place_of(here, ECS, 'resource "aws_ecs_service"')
    refusal(here, f"Add `lifecycle {{ ignore_changes = [task_definition] }}` to the block at {block}")


def test_a_service_from_terraform_may_be_put_back_by_terraform(here: Here) -> None:
    here.edit(ECS, IGNORED, "ignore_changes = [desired_count]")
    for name in ("tempo", "pyroscope", "grafana"):
        here.with_service(name, task_definition="ecs")

    assert here.outputs().told


def test_a_name_that_the_files_do_not_tell_refuses_nothing_and_is_told(here: Here) -> None:
    here.edit(ECS, IGNORED, "ignore_changes = [desired_count]")
    here.edit(
        ECS, 'name            = "${var.name_prefix}-${each.key}"', 'name            = "${random_pet.x.id}-${each.key}"'
    )

    found, block = told(here), place_of(here, ECS, 'resource "aws_ecs_service"')

    assert f"{block} does not ignore task_definition" in found
    assert "if it manages lgtm-prod-tempo" in found


def test_a_terraform_file_that_cannot_be_parsed_is_told(here: Here) -> None:
    (here.folder / ROOT / "broken.tf").write_text("resource {{\n")

    assert f"{ROOT}/broken.tf:1 cannot be parsed" in told(here)


@pytest.mark.parametrize(("line", "asked"), [("", True), ("  skip_destroy = true\n", False)])
def test_the_right_to_deregister_is_needed_where_terraform_does_so(here: Here, line: str, asked: bool) -> None:
    block = 'resource "aws_ecs_task_definition" "this" {\n'
    here.edit(ECS, block, block + line)
    here.cloud.may_ask = False

    assert "ecs:DeregisterTaskDefinition" not in told(here)
    here.with_service("tempo", task_definition="ecs")
    assert ("ecs:DeregisterTaskDefinition" in told(here)) is asked


def test_a_terraform_file_that_is_not_read_is_told(here: Here) -> None:
    (here.folder / ROOT / "more.tf.json").write_text("{}")
    (here.folder / ROOT / "odd.tf").write_bytes(b"\xff")

    found = told(here)

    assert f"terraform: {ROOT}/more.tf.json is not read" in found
    assert f"terraform: {ROOT}/odd.tf is not read" in found


def test_a_missing_lock_file_is_refused_with_the_command_to_make_it(here: Here) -> None:
    (here.folder / ALB / LOCK_FILE).unlink()

    refusal(
        here, f"Terraform root {ALB} has no .terraform.lock.hcl", f"terraform -chdir={ALB} providers lock -platform="
    )


def test_a_missing_lock_file_of_a_root_that_the_plan_does_not_use_is_told(here: Here) -> None:
    (here.folder / ROOT / LOCK_FILE).unlink()

    assert f"terraform: root {ROOT} has no .terraform.lock.hcl; this plan does not use the root" in told(here)
    here.with_service("tempo", task_definition="ecs")
    refusal(here, f"Terraform root {ROOT} has no .terraform.lock.hcl")


def test_a_missing_lock_file_is_nothing_where_providers_come_from_elsewhere(here: Here) -> None:
    (here.folder / ALB / LOCK_FILE).unlink()
    here.with_environment(endpoint="http://sandbox.example")

    assert here.outputs().told


def test_a_root_without_providers_needs_no_lock_file(here: Here) -> None:
    shutil.rmtree(here.folder / ALB)
    (here.folder / ALB).mkdir()
    (here.folder / ALB / "main.tf").write_text('resource "terraform_data" "x" {}\n')

    assert LOCK_FILE not in told(here)


@pytest.mark.parametrize(
    ("planned", "advice"),
    [
        (("grafana",), ("A copy of the live task definition keeps it",)),
        ((), ("grafana must change with tempo", "add it to the plan's `dependents`")),
    ],
)
def test_a_variable_that_names_a_path_that_moves_is_refused(
    here: Here, planned: tuple[str, ...], advice: tuple[str, ...]
) -> None:
    set_variables(here, "grafana", GRAFANA_URL)

    reason = here.refusal(Inputs(services=("tempo", "pyroscope"), dependents=planned))

    for word in (*advice, "GF_TEMPO_URL=http://tempo:3200 (container grafana)", "Write http://tempo:3200/tempo"):
        assert word in reason
    assert "set `task_definition: {terraform: ecs}` of grafana" in reason
    assert "canary" not in reason


def test_a_variable_changes_with_a_coupled_service_from_terraform(here: Here) -> None:
    set_variables(here, "grafana", GRAFANA_URL)
    here.with_service("grafana", task_definition="ecs")

    assert "GF_TEMPO_URL=http://tempo:3200 (container grafana)" in told(here)


@pytest.mark.parametrize("consumer", ["loki", "mimir"])
def test_a_variable_of_any_container_of_any_service_counts(here: Here, consumer: str) -> None:
    set_variables(here, consumer, {"sidecar": {"TARGET": "http://tempo:3200/api/search"}})

    refusal(here, f"{consumer} must change with tempo", "TARGET=http://tempo:3200/api/search (container sidecar)")


@pytest.mark.parametrize(
    "url",
    [
        "http://tempo:3200/tempo",
        "http://tempo:3200/ready",
        "http://tempo:4318/v1/traces",
        "http://loki:3100",
        "http://tempo.lgtm-test:3200",
    ],
)
def test_a_variable_that_stays_right_or_is_of_another_environment_is_nothing(here: Here, url: str) -> None:
    here.stack = replace(here.stack, other_environments=("test",))
    set_variables(here, "loki", {"loki": {"URL": url}})

    assert "URL=" not in told(here)


def test_a_name_in_cloud_map_names_the_service(here: Here) -> None:
    tempo = here.cloud.services[here.service("tempo").ecs_service]
    tempo.registries = {"arn:aws:servicediscovery:eu-west-1:1:service/srv-1": "traces.lgtm.local"}
    set_variables(here, "loki", {"loki": {"URL": "http://traces.lgtm.local:3200/api/search"}})

    refusal(here, "URL=http://traces.lgtm.local:3200/api/search", "loki must change with tempo")


def test_a_name_without_a_path_is_told(here: Here) -> None:
    set_variables(here, "loki", {"loki": {"TEMPO": "tempo.lgtm.local:3200"}})

    assert "TEMPO=tempo.lgtm.local:3200" in told(here)


def test_a_container_health_check_on_a_path_that_moves_is_refused(here: Here) -> None:
    here.cloud.services[here.service("pyroscope").ecs_service].check = "/ready"

    refusal(
        here,
        "pyroscope has a container health check on http://localhost:4040/ready",
        "Write http://localhost:4040/pyroscope/ready",
    )


def test_a_container_health_check_on_a_path_that_stays_is_nothing(here: Here) -> None:
    here.cloud.services[here.service("tempo").ecs_service].check = "/ready"

    assert "container health check" not in told(here)


def test_a_service_outside_the_plan_that_is_not_there_is_told(here: Here) -> None:
    del here.cloud.services[here.service("loki").ecs_service]

    assert "those of loki could not be looked at" in told(here)


WORKFLOW = """
on: push
jobs:
  deploy:
    steps:
      # aws ecs update-service --service lgtm-prod-loki
      - run: |
          aws ecs update-service --cluster lgtm-prod-cluster \\
            --service lgtm-prod-tempo --force-new-deployment
"""


@pytest.mark.parametrize("file", [".github/workflows/deploy.yml", ".gitlab-ci.yml"])
def test_a_workflow_that_deploys_the_same_services_is_told(here: Here, file: str) -> None:
    (here.folder.parent / ".git").mkdir()
    path = here.folder.parent / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(WORKFLOW)

    lines = [line for line in here.outputs().told if line.startswith("workflows:")]

    [line] = lines
    assert f"{file}:8 deploys tempo as well (aws ecs update-service)" in line


def test_a_workflow_that_deploys_something_else_is_nothing(here: Here) -> None:
    path = here.folder / ".github/workflows/deploy.yml"
    path.parent.mkdir(parents=True)
    path.write_text(WORKFLOW.replace("lgtm-prod-cluster", "shop").replace("lgtm-prod-tempo", "cart"))

    assert "workflows:" not in told(here)


def without_group(here: Here) -> None:
    here.with_service("loki", target_group="", kind="other")
    loki = here.cloud.services[here.service("loki").ecs_service]
    loki.groups.clear()


def test_a_service_without_a_target_group_may_be_in_a_plan(here: Here) -> None:
    without_group(here)

    assert here.outputs(Inputs(services=("tempo", "pyroscope", "loki"), dependents=("grafana",))).told


def test_a_service_with_a_target_group_that_the_stack_file_leaves_out_is_refused(here: Here) -> None:
    here.with_service("grafana", target_group="")

    refusal(here, "lgtm-prod-grafana registers its tasks in lgtm-prod-grafana-tg", "Write `target_group`")


def everything(here: Here) -> None:
    here.edit(ECS, IGNORED, "ignore_changes = [desired_count]")
    (here.folder / ALB / LOCK_FILE).unlink()
    set_variables(here, "loki", {"loki": {"URL": "http://tempo:3200"}})
    here.with_service("grafana", target_group="")


@pytest.mark.parametrize("breaking", [everything])
def test_all_of_it_is_refused_at_once(here: Here, breaking: Callable[[Here], None]) -> None:
    breaking(here)

    refusal(here, "Add task_definition", "providers lock", "URL=http://tempo:3200", "Write `target_group`")
