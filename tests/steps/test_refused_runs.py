"""A whole run is refused before it changes anything in AWS, with the line that says what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lgtm_deploy.core.run import Run
from lgtm_deploy.fakes.cloud import CHANGES
from tests.steps.simulation import SimulatedToken, Simulation
from tests.steps.test_preflight import Here
from tests.steps.test_preflight_terraform import ALB, ECS, GRAFANA_URL, IGNORED, LOCK_FILE, place_of, set_variables


def refused(here: Here, *, roll_back: bool = True) -> Run:
    """The run of prefix-change. It made no call that changes AWS."""
    world = Simulation(here.folder, whole=True)
    world.stack, world.cloud = here.stack, here.cloud
    world.stop = SimulatedToken(here.cloud.clock)
    here.cloud.calls.clear()
    run = world.apply(roll_back=roll_back)
    assert not {call.name for call in here.cloud.calls} & CHANGES
    assert run.verdict == "refused", run.reason
    return run


def without_ignore_changes(here: Here) -> list[str]:
    here.edit(ECS, IGNORED, "ignore_changes = [desired_count]")
    return [
        place_of(here, ECS, 'resource "aws_ecs_service"'),
        f"Add task_definition to `ignore_changes` at {place_of(here, ECS, 'ignore_changes')}",
        "or set `task_definition: {terraform: ecs}` of tempo in the stack file",
    ]


def without_a_lock_file(here: Here) -> list[str]:
    (here.folder / ALB / LOCK_FILE).unlink()
    return [f"Terraform root {ALB} has no {LOCK_FILE}", f"terraform -chdir={ALB} providers lock -platform="]


def with_a_url_in_a_variable(here: Here) -> list[str]:
    set_variables(here, "loki", {"loki": {"URL": "http://tempo:3200/api/search"}})
    return ["loki must change with tempo", "URL=http://tempo:3200/api/search (container loki)"]


def with_a_url_in_a_copied_task_definition(here: Here) -> list[str]:
    set_variables(here, "grafana", GRAFANA_URL)
    return [
        "GF_TEMPO_URL=http://tempo:3200 (container grafana)",
        "set `task_definition: {terraform: ecs}` of grafana",
    ]


def with_a_name_in_cloud_map(here: Here) -> list[str]:
    tempo = here.cloud.services[here.service("tempo").ecs_service]
    tempo.registries = {"arn:aws:servicediscovery:eu-west-1:1:service/srv-1": "traces.lgtm.local"}
    set_variables(here, "loki", {"loki": {"URL": "http://traces.lgtm.local:3200/api/search"}})
    return ["URL=http://traces.lgtm.local:3200/api/search", "loki must change with tempo"]


def with_a_container_health_check(here: Here) -> list[str]:
    here.cloud.services[here.service("pyroscope").ecs_service].check = "/ready"
    return [
        "pyroscope has a container health check on http://localhost:4040/ready",
        "Write http://localhost:4040/pyroscope/ready",
    ]


def without_a_target_group_in_the_stack_file(here: Here) -> list[str]:
    here.with_service("grafana", target_group="")
    return ["lgtm-prod-grafana registers its tasks in lgtm-prod-grafana-tg", "Write `target_group`"]


@pytest.mark.parametrize(
    "breaking",
    [
        without_ignore_changes,
        without_a_lock_file,
        with_a_url_in_a_variable,
        with_a_url_in_a_copied_task_definition,
        with_a_name_in_cloud_map,
        with_a_container_health_check,
        without_a_target_group_in_the_stack_file,
    ],
)
@pytest.mark.parametrize("roll_back", [True, False])
def test_a_run_is_refused_before_any_change(
    tmp_path: Path, breaking: Callable[[Here], list[str]], *, roll_back: bool
) -> None:
    here = Here(tmp_path)
    words = breaking(here)

    reason = refused(here, roll_back=roll_back).reason

    assert "\n" not in reason
    assert [word for word in words if word not in reason] == []
