"""Variables of a plan: given on the command line, and remembered for whoever goes on."""

from dataclasses import replace

import pytest

from lgtm_deploy.cli.loading import secret_variables, variables
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.masks import fingerprint
from lgtm_deploy.core.plan import Plan

VALUE = "correct horse"
PLAN = Plan(name="p", digest="d", variables=frozenset({"tag"}))
SECRET = replace(PLAN, secrets={"tag": "DEPLOY_TAG"})


def test_what_the_run_was_begun_with_need_not_be_said_again() -> None:
    assert variables(PLAN, [], {"tag": "1"}) == {"tag": "1"}
    assert variables(PLAN, ["tag=1"], {"tag": "1"}) == {"tag": "1"}


def test_a_value_of_the_plan_file_need_not_be_given_and_can_be_replaced() -> None:
    plan = replace(PLAN, values={"tag": "1"})

    assert variables(plan, []) == {"tag": "1"}
    assert variables(plan, ["tag=2"]) == {"tag": "2"}


def test_another_value_than_the_run_was_begun_with_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--var tag=2: the run was begun with tag=1\. Leave it out, or undo the run"):
        variables(PLAN, ["tag=2"], {"tag": "1"})


def test_a_variable_that_nobody_gave_is_asked_for() -> None:
    with pytest.raises(UsageError, match="needs a value for 'tag'"):
        variables(PLAN, [])


def test_a_secret_is_taken_from_its_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TAG", VALUE)

    assert variables(SECRET, []) == {"tag": VALUE}
    assert variables(SECRET, [], {"tag": fingerprint(VALUE, "salt")}) == {"tag": VALUE}


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TAG", VALUE)

    with pytest.raises(UsageError, match=r"'tag' is secret.* Set DEPLOY_TAG in the environment instead\.") as refused:
        variables(SECRET, [f"tag={VALUE}"])

    assert VALUE not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", r"Plan 'p' needs the secret 'tag'\. Set DEPLOY_TAG to it\."),
        ("hunter2", "fewer than 8 characters"),
        ("another horse", r"'tag' is not the one that the run was begun with\. Set DEPLOY_TAG to that one\."),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_and_not_told(
    monkeypatch: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    monkeypatch.setenv("DEPLOY_TAG", value)

    with pytest.raises(UsageError, match=complaint) as refused:
        secret_variables(SECRET, {"tag": fingerprint(VALUE, "salt")})

    assert not value or value not in str(refused.value)


def test_a_variable_that_holds_a_secret_value_too_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TAG", VALUE)
    taken = frozenset({"tag", "url"})
    before = {"tag": fingerprint(VALUE, "salt"), "url": "https://x:${{ vars.tag }}@y"}

    assert variables(replace(SECRET, variables=taken), [], before) == {"tag": VALUE, "url": f"https://x:{VALUE}@y"}


def test_another_value_than_before_is_told_without_the_secret_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TAG", VALUE)
    taken = frozenset({"tag", "url"})
    before = {"tag": fingerprint(VALUE, "salt"), "url": "https://x:${{ vars.tag }}@y"}

    with pytest.raises(UsageError) as told:
        variables(replace(SECRET, variables=taken), ["url=https://other"], before)
    assert VALUE not in str(told.value)
    assert "url=https://x:${{ vars.tag }}@y" in str(told.value)
