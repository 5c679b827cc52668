"""Which change an allowance is about."""

import pytest

from lgtm_deploy.core.guard import Allowance, breaches
from lgtm_deploy.core.ports import HealthCheck
from lgtm_deploy.fakes.plan_document import document_of, entry_of

BEFORE = HealthCheck(path="/ready", matcher="200", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4)
AFTER = HealthCheck(path="/new", matcher="200", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4)
DOCUMENT = document_of([entry_of("tempo-tg", BEFORE, AFTER)])
ADDRESS = 'aws_lb_target_group.this["tempo-tg"]'
LINE = f'{ADDRESS}: health_check.path "/ready" -> "/new" is not allowed'


def allowance(
    type: str = "aws_lb_target_group",
    name: str = "*",
    actions: tuple[str, ...] = ("update",),
    attributes: tuple[str, ...] = ("health_check.path",),
) -> Allowance:
    return Allowance(type=type, name=name, actions=actions, attributes=attributes)


@pytest.mark.parametrize(
    "allowed",
    [
        allowance(),
        allowance(name="this"),
        allowance(name=ADDRESS),
        allowance(name='*["tempo*"]'),
        allowance(name="aws_lb_target_group.thi?*"),
        allowance(attributes=("health_check",)),
        allowance(actions=("create", "update"), attributes=("port", "health_check.path")),
    ],
)
def test_what_is_allowed_breaks_nothing(allowed: Allowance) -> None:
    assert breaches(DOCUMENT, [allowance(type="aws_lb"), allowed]) == ()


@pytest.mark.parametrize(
    "allowed",
    [
        allowance(type="aws_lb"),
        allowance(type="*"),
        allowance(name="th"),
        allowance(name='*["tempo"]'),
        allowance(name="[t]his"),
        allowance(actions=("create", "replace")),
        allowance(attributes=()),
        allowance(attributes=("health_check.pat", "path", "health_check.path.x", "*")),
    ],
)
def test_what_is_not_allowed_is_told_with_before_and_after(allowed: Allowance) -> None:
    assert breaches(DOCUMENT, [allowed]) == (LINE,)


def test_without_any_allowance_nothing_may_change() -> None:
    assert breaches(DOCUMENT, []) == (LINE,)
    assert breaches(document_of([entry_of("tempo-tg", BEFORE, BEFORE)]), []) == ()


def test_allowances_of_one_resource_add_up() -> None:
    both = HealthCheck(path="/new", matcher="204", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4)
    document = document_of([entry_of("tempo-tg", BEFORE, both)])

    assert breaches(document, [allowance(), allowance(attributes=("health_check.matcher",))]) == ()
    assert len(breaches(document, [allowance()])) == 1
