"""What a look at a rollout means."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lgtm_deploy.core.gate import Shut
from lgtm_deploy.core.ports import ContainerState, DeploymentState, DeploymentStatus, TaskState
from lgtm_deploy.core.rollout import Rollout, failure, last_end, waiting

START = datetime(2026, 1, 16, tzinfo=UTC)
OURS = "sha256:" + "a" * 64
THEIRS = "sha256:" + "b" * 64


def deployment(status: DeploymentStatus = "IN_PROGRESS", **changes: Any) -> DeploymentState:
    known: dict[str, Any] = {
        "arn": "arn:1",
        "reason": "",
        "task_definition": "td:2",
        "digests": {"tempo": OURS},
        "desired": 1,
        "failed_tasks": 0,
        "failure_threshold": 3,
    }
    return DeploymentState(status=status, **known | changes)


def ended(number: int, code: int | None = 1, stop_code: str = "EssentialContainerExited", why: str = "") -> TaskState:
    return TaskState(
        arn=f"task/{number}",
        task_definition="td:2",
        status="stopped",
        address="10.0.0.1",
        stopped_at=START + timedelta(seconds=number),
        stop_code=stop_code,
        stopped_reason=why or "Essential container in task exited",
        containers=(ContainerState(name="tempo", image="x", digest=OURS, exit_code=code),),
    )


RUNNING = TaskState(arn="task/9", task_definition="td:2", status="running", address="10.0.0.9")


def seen(
    *tasks: TaskState, deployed: DeploymentState | None = None, lines: Mapping[str, Sequence[str]] | None = None
) -> Rollout:
    return Rollout(
        service="tempo",
        container="tempo",
        deployment=deployed or deployment(),
        tasks=tasks,
        last_lines=lines or {},
    )


def reason(found: Shut | None) -> str:
    assert found is not None
    return found.reason


def test_a_rollout_under_way_is_no_failure() -> None:
    assert failure(seen(RUNNING), digest=OURS) is None
    assert failure(seen(), digest=OURS) is None
    assert failure(seen(RUNNING, deployed=deployment("SUCCESSFUL")), digest=OURS) is None


def test_another_image_than_the_one_pushed_is_a_failure_however_well_it_runs() -> None:
    stale = deployment("SUCCESSFUL", digests={"tempo": THEIRS})

    assert reason(failure(seen(RUNNING, deployed=stale), digest=OURS)) == (
        "tempo: the deployment runs sha256:bbbbbbbbbbbb and not sha256:aaaaaaaaaaaa: its task definition names another "
        "image"
    )


def test_a_digest_that_is_not_known_yet_is_no_failure() -> None:
    assert failure(seen(deployed=deployment(digests={})), digest=OURS) is None


@pytest.mark.parametrize(
    "status", ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"]
)
def test_a_rollback_of_ecs_is_a_failure_although_the_service_is_stable(status: DeploymentStatus) -> None:
    # It runs the earlier image again, which is not what to tell of it.
    found = failure(seen(RUNNING, deployed=deployment(status, digests={"tempo": THEIRS})), digest=OURS)

    assert reason(found) == "tempo: ECS rolled the deployment back: its circuit breaker tripped"
    assert found is not None
    assert found.kind == "failed"


def test_why_ecs_rolled_back_comes_with_how_the_last_task_ended() -> None:
    tripped = deployment("ROLLBACK_IN_PROGRESS", reason="threshold exceeded.")
    lines = {"task/2": ["", "level=error", " field prefix not found "]}

    assert reason(failure(seen(ended(2), ended(1), deployed=tripped, lines=lines), digest=OURS)) == (
        "tempo: ECS rolled the deployment back: threshold exceeded.: container tempo exited with code 1: last log "
        "lines: level=error | field prefix not found"
    )


@pytest.mark.parametrize("status", ["STOPPED", "STOP_REQUESTED"])
def test_a_deployment_that_a_newer_one_replaced_is_superseded(status: DeploymentStatus) -> None:
    found = failure(seen(RUNNING, deployed=deployment(status)), digest=OURS)

    assert found == Shut(reason="tempo: the deployment was stopped: a newer deployment replaced it", kind="superseded")


def test_a_container_that_ends_by_itself_twice_is_not_waited_for() -> None:
    lines = {"task/2": ["boom"]}

    assert failure(seen(ended(1)), digest=OURS) is None
    assert reason(failure(seen(ended(1), ended(2), lines=lines), digest=OURS)) == (
        "tempo: container tempo exited with code 1: last log lines: boom; it ended 2 times"
    )


def test_an_exit_code_of_zero_is_an_end_too() -> None:
    assert "exited with code 0; it ended 2 times" in reason(failure(seen(ended(1, 0), ended(2, 0)), digest=OURS))


@pytest.mark.parametrize("stop_code", ["ServiceSchedulerInitiated", "UserInitiated"])
def test_tasks_that_ecs_or_a_person_stopped_are_not_counted(stop_code: str) -> None:
    tasks = [ended(number, 143, stop_code, "Task failed ELB health checks") for number in (1, 2, 3)]

    assert failure(seen(*tasks), digest=OURS) is None
    assert last_end(seen(*tasks)) == "container tempo exited with code 143: Task failed ELB health checks"


def test_a_task_that_never_started_says_what_aws_says() -> None:
    task = ended(1, None, "TaskFailedToStart", "CannotPullContainerError: not found")

    assert last_end(seen(task)) == "a task stopped: CannotPullContainerError: not found"


def test_nothing_ended_is_nothing_said() -> None:
    assert last_end(seen(RUNNING)) == ""


def test_what_is_waited_for_says_how_often_tasks_failed() -> None:
    assert waiting(seen(RUNNING)) == "1/1 new tasks running"
    assert waiting(seen(ended(1), deployed=deployment(failed_tasks=1))) == (
        "0/1 new tasks running, 1 of 3 failures until ECS rolls back: container tempo exited with code 1"
    )
