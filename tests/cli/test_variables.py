"""Variables of a plan: given on the command line, and remembered for whoever goes on."""

import pytest

from lgtm_deploy.cli.loading import variables
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.plan import Plan, StepSpec

PLAN = Plan(name="p", digest="d", steps={"a": StepSpec(id="a", uses="toy", with_={"value": "${{ vars.tag }}"})})


def test_what_the_run_was_begun_with_need_not_be_said_again() -> None:
    assert variables(PLAN, [], {"tag": "1"}) == {"tag": "1"}
    assert variables(PLAN, ["tag=1"], {"tag": "1"}) == {"tag": "1"}


def test_another_value_than_the_run_was_begun_with_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--var tag=2: the run was begun with tag=1\. Leave it out, or undo the run"):
        variables(PLAN, ["tag=2"], {"tag": "1"})


def test_a_variable_that_nobody_gave_is_asked_for() -> None:
    with pytest.raises(UsageError, match="needs a value for 'tag'"):
        variables(PLAN, [])
