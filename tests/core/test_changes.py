"""A Terraform change as lines for a person."""

from typing import Any

import pytest

from lgtm_deploy.core.changes import describe
from lgtm_deploy.core.ports import ResourceChange

GROUP = 'module.alb.aws_lb_target_group.this["tempo"]'


def change(*actions: str, before: Any = None, after: Any = None) -> ResourceChange:
    return ResourceChange(address=GROUP, type="aws_lb_target_group", actions=actions, before=before, after=after)


def test_an_update_in_place_names_each_attribute_with_old_and_new() -> None:
    before = {"name": "tg", "health_check": [{"path": "/ready", "interval": 5}], "tags": {"a": "1"}}
    after = {"name": "tg", "health_check": [{"path": "/tempo/ready", "interval": 5}], "tags": {"a": "1", "b": "ü"}}

    assert describe(change("update", before=before, after=after)) == (
        f'~ {GROUP}: health_check.path "/ready" -> "/tempo/ready"',
        f'~ {GROUP}: tags.b null -> "ü"',
    )


def test_of_a_list_that_keeps_its_length_the_items_that_change_are_shown() -> None:
    lines = describe(change("update", before={"ports": [1, 2], "zones": [1]}, after={"ports": [1, 3], "zones": []}))

    assert lines == (f"~ {GROUP}: ports.1 2 -> 3", f"~ {GROUP}: zones [1] -> []")


@pytest.mark.parametrize(
    ("actions", "sign"),
    [
        (("create",), "+ create"),
        (("delete",), "- destroy"),
        (("delete", "create"), "- replace"),
        (("create", "delete"), "- replace"),
        (("forget",), "forget"),
    ],
)
def test_anything_else_is_one_line(actions: tuple[str, ...], sign: str) -> None:
    assert describe(change(*actions, before={"a": 1}, after={"a": 2})) == (f"{sign} {GROUP}",)


def test_an_update_whose_attributes_are_not_known_is_still_told() -> None:
    assert describe(change("update", before={}, after={})) == (f"~ {GROUP}",)
