"""Which tasks are a deployment's own."""

from datetime import UTC, datetime, timedelta

import pytest

from lgtm_deploy.core.ports import DeploymentState, TaskState
from lgtm_deploy.steps.rollouts import is_later

BEGAN = datetime(2026, 1, 16, 0, 15, 0, 922_073, tzinfo=UTC)


@pytest.mark.parametrize(
    ("created", "own"),
    [
        (BEGAN.replace(microsecond=922_000), True),
        (BEGAN + timedelta(seconds=1), True),
        (BEGAN.replace(microsecond=921_000), False),
    ],
)
def test_a_task_of_the_same_millisecond_is_the_deployments_own(created: datetime, own: bool) -> None:
    deployment = DeploymentState(
        arn="d",
        status="IN_PROGRESS",
        reason="",
        task_definition="t:2",
        digests={},
        desired=1,
        failed_tasks=0,
        failure_threshold=3,
        created_at=BEGAN,
        finished_at=None,
    )
    task = TaskState(
        arn="a",
        task_definition="t:2",
        status="running",
        address="10.0.0.1",
        created_at=created,
        started_at=None,
        stopped_at=None,
        stop_code="",
        stopped_reason="",
        containers=(),
    )
    assert is_later(task, deployment) is own
