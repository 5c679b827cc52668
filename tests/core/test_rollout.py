"""What a look at a rollout means."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lgtm_deploy.core.gate import Shut
from lgtm_deploy.core.ports import ContainerState, DeploymentState, DeploymentStatus, ServiceEvent, TaskState
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


def ended(
    number: int,
    code: int | None = 1,
    stop_code: str = "EssentialContainerExited",
    why: str = "",
    container_reason: str = "",
) -> TaskState:
    return TaskState(
        arn=f"task/{number}",
        task_definition="td:2",
        status="stopped",
        address="10.0.0.1",
        stopped_at=START + timedelta(seconds=number),
        stop_code=stop_code,
        stopped_reason=why or "Essential container in task exited",
        containers=(ContainerState(name="tempo", image="x", digest=OURS, exit_code=code, reason=container_reason),),
    )


RUNNING = TaskState(arn="task/9", task_definition="td:2", status="running", address="10.0.0.9")


def seen(
    *tasks: TaskState,
    deployed: DeploymentState | None = None,
    lines: Mapping[str, Sequence[str]] | None = None,
    newest: str = "",
    told: Sequence[str] = (),
    checked: str = "",
) -> Rollout:
    return Rollout(
        service="tempo",
        container="tempo",
        deployment=deployed or deployment(),
        tasks=tasks,
        logs=lines or {},
        newest=newest,
        events=tuple(ServiceEvent(at=START, message=f"(service tempo) {message}") for message in told),
        checked=checked,
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
    lines = {"task/2": ["", "level=info msg=a", "level=error msg=b", "level=info msg=c", " "]}

    assert reason(failure(seen(ended(2), ended(1), deployed=tripped, lines=lines), digest=OURS)) == (
        "tempo: ECS rolled the deployment back: threshold exceeded.: container tempo exited with code 1: first "
        "errors in its log: level=error msg=b"
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


NOT_PULLED = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
UNHEALTHY = (
    "(task 9f) (port 3200) is unhealthy in (target-group arn:tg) due to (reason Health checks failed with these"
    " codes: [404])."
)


def unpulled(number: int) -> TaskState:
    return ended(number, None, "TaskFailedToStart", NOT_PULLED, NOT_PULLED)


def test_an_image_that_cannot_be_pulled_twice_is_not_waited_for() -> None:
    assert failure(seen(unpulled(1)), digest=OURS) is None
    assert reason(failure(seen(unpulled(1), unpulled(2)), digest=OURS)) == (
        f"tempo: a task stopped: {NOT_PULLED}; it ended 2 times"
    )


def test_an_image_that_cannot_be_pulled_counts_apart_from_one_that_exits() -> None:
    assert failure(seen(unpulled(1), ended(2)), digest=OURS) is None


def test_a_container_killed_for_want_of_memory_says_so() -> None:
    killed = ended(1, 137, container_reason="OutOfMemoryError: Container killed due to memory usage")

    assert last_end(seen(killed)) == (
        "container tempo was killed for want of memory (exit code 137): OutOfMemoryError: Container killed due to"
        " memory usage"
    )
    assert last_end(seen(ended(1, 137))) == "container tempo exited with code 137"
    assert failure(seen(killed, killed), digest=OURS) is not None


def test_a_failing_check_comes_with_its_path_and_the_code_it_got() -> None:
    stopped = ended(1, 143, "ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group arn:tg)")

    assert last_end(seen(stopped, told=["has started 1 tasks.", UNHEALTHY], checked="/ready")) == (
        "container tempo exited with code 143: Task failed ELB health checks in (target-group arn:tg): the load"
        " balancer asks /ready: Health checks failed with these codes: [404]"
    )


@pytest.mark.parametrize(
    "message",
    [
        "was unable to place a task because no container instance met all of its requirements.",
        "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later.",
        "is unable to consistently start tasks successfully.",
        "operations are being throttled on elb. Will try again later.",
    ],
)
def test_what_keeps_ecs_from_starting_tasks_is_told_while_waiting(message: str) -> None:
    assert waiting(seen(told=["has begun draining connections on 1 tasks.", message])) == (
        f"0/1 new tasks running: ECS says: {message.rstrip('.')}"
    )


def test_what_comes_with_every_rollout_is_not_told() -> None:
    usual = [
        "has started 1 tasks: (task 1).",
        "registered 1 targets in (target-group arn:tg)",
        "has reached a steady state.",
    ]

    assert waiting(seen(told=usual)) == "0/1 new tasks running"


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS", "SUCCESSFUL", "STOP_REQUESTED", "STOPPED"])
def test_a_deployment_after_which_another_began_is_superseded_by_it(status: DeploymentStatus) -> None:
    newer = "arn:aws:ecs:eu-west-1:1:service-deployment/lgtm/tempo/Zx9"

    assert failure(seen(RUNNING, deployed=deployment(status), newest=newer), digest=OURS) == Shut(
        reason="tempo: the deployment was stopped: deployment Zx9 replaced it", kind="superseded"
    )
    ours = failure(seen(RUNNING, deployed=deployment(status), newest="arn:1"), digest=OURS)
    assert ours is None or ours.kind == "failed"


def test_a_finished_rollback_is_a_failure_and_never_superseded_by_itself() -> None:
    found = failure(seen(RUNNING, deployed=deployment("ROLLBACK_SUCCESSFUL"), newest="arn:2"), digest=OURS)

    assert found is not None
    assert found.kind == "failed"


def test_a_deployment_that_stopped_with_nothing_after_it_has_failed() -> None:
    stopped = deployment("STOPPED", reason="tasks failed to start")

    assert failure(seen(unpulled(1), deployed=stopped, newest="arn:1"), digest=OURS) == Shut(
        reason="tempo: the deployment was stopped, and nothing replaced it: tasks failed to start: a task stopped: "
        + NOT_PULLED
    )


def test_a_task_that_runs_another_image_is_a_failure_before_the_deployment_says_so() -> None:
    running = TaskState(
        arn="task/9",
        task_definition="td:2",
        status="running",
        address="10.0.0.9",
        containers=(ContainerState(name="tempo", image="x", digest=THEIRS),),
    )

    found = failure(seen(running, deployed=deployment(digests={})), digest=OURS)

    assert "runs sha256:bbbbbbbbbbbb and not sha256:aaaaaaaaaaaa" in reason(found)
    assert failure(seen(running, deployed=deployment(digests={})), digest="") is None
