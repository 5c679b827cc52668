"""What is taken for a healthy answer."""

import pytest

from lgtm_deploy.core.ports import Answer
from lgtm_deploy.core.stack import Health
from lgtm_deploy.steps.await_tasks import wrong_with

HEALTH = Health(path="/portal/ready", body="ready")


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (200, "ready\n", ""),
        (200, "please log in", "answers 200 without 'ready'"),
        (404, "404 page not found", "answers 404"),
        (200, None, ""),
        (404, None, "answers 404"),
    ],
)
def test_a_body_counts_where_it_was_seen(status: int, body: str | None, wrong: str) -> None:
    assert wrong_with(Answer(status=status, body=body, seconds=0.0), HEALTH) == wrong


def test_no_answer_is_not_a_healthy_one() -> None:
    assert wrong_with(None, HEALTH) == "does not answer yet"
