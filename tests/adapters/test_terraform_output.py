"""Terraform's errors in one line, and its plans without secrets."""

from pathlib import Path
from typing import Any

from lgtm_deploy.adapters.terraform_output import changes_of, failure_of, lock_of
from lgtm_deploy.core.errors import PermanentError, TransientError
from lgtm_deploy.core.secrecy import SENSITIVE, SENSITIVE_CHANGED, UNKNOWN

ROOT = Path("50-alb")

ARGUMENT = """
Warning: Something else

Error: Unsupported argument

  on main.tf line 3, in resource "terraform_data" "x":
   3:   foo = 1

An argument named "foo" is not expected
here.

Error: Another one

More words.
"""

GENERAL = """
Error: Terraform encountered problems during initialisation, including problems
with the configuration, described below.

The Terraform configuration must be valid before initialization.


Error: Invalid expression

  on main.tf line 2, in resource "a" "b":
   2:  foo=

Expected the start of an expression.
"""

LOCKED = """
Error: Error acquiring the state lock

Error message: operation error DynamoDB: PutItem, ConditionalCheckFailedException
Lock Info:
  ID:        7d1c7f0e-5d0f-8d3b-3f3a-1c1f3f7e9d1a
  Path:      state/alb.tfstate
  Operation: OperationTypeApply
  Who:       ci@runner-4
  Version:   1.11.4
  Created:   2026-01-16 00:15:04.123 +0000 UTC
  Info:


Terraform acquires a state lock to protect the state from being written
by multiple users at the same time.
"""


def failure(text: str) -> Any:
    return failure_of("terraform plan", ROOT, text.splitlines())


def test_the_first_error_is_one_line_with_its_place() -> None:
    found = failure(ARGUMENT)

    assert type(found) is PermanentError
    assert found.message == (
        "terraform plan in 50-alb failed: Unsupported argument (main.tf line 3): "
        'An argument named "foo" is not expected here.'
    )


def test_the_general_error_of_init_gives_way_to_the_one_that_says_what_is_wrong() -> None:
    assert "Invalid expression (main.tf line 2): Expected the start" in failure(GENERAL).message


def test_the_general_error_alone_is_told_with_its_whole_title() -> None:
    assert "including problems with the configuration" in failure(GENERAL.partition("\n\n\n")[0]).message


def test_a_state_lock_is_transient_and_names_its_holder() -> None:
    found = failure(LOCKED)

    assert type(found) is TransientError
    assert "locked by ci@runner-4 (lock 7d1c7f0e" in found.message
    assert ", apply, since 2026-01-16 00:15:04 UTC)" in found.message


def test_the_backend_http_shows_the_lock_that_was_asked_for_and_tells_the_held_one_by_its_id_alone() -> None:
    told = LOCKED.replace("operation error DynamoDB: PutItem, ConditionalCheckFailedException", "locked:\nID=5c1e")

    found = lock_of(told.splitlines())

    assert found is not None
    assert (found.id, found.who, found.created) == ("5c1e", "somebody else", None)


def test_a_lock_is_timed_to_the_microsecond() -> None:
    found = lock_of(LOCKED.splitlines())
    finer = lock_of(LOCKED.replace("04.123 +", "04.123456789 +").splitlines())
    whole = lock_of(LOCKED.replace("04.123 +", "04 +").splitlines())

    assert [each.created.microsecond for each in (found, finer, whole) if each and each.created] == [123000, 123456, 0]


def test_no_lock_is_found_in_what_failed_of_something_else() -> None:
    assert lock_of(ARGUMENT.splitlines()) is None
    assert lock_of([]) is None


def test_without_an_error_block_the_last_line_is_told() -> None:
    assert failure("panic\nruntime error\n").message.endswith("failed: runtime error")
    assert failure("").message.endswith("failed: no reason given")


def change(**fields: Any) -> dict[str, Any]:
    return {
        "address": "a.b",
        "type": "a",
        "change": {"actions": ["update"], "before": {}, "after": {}, **fields},
    }


def test_no_ops_and_reads_are_left_out() -> None:
    shown = {"resource_changes": [change(actions=[kind]) for kind in ("no-op", "read", "update")]}

    assert [found.actions for found in changes_of(shown)] == [("update",)]


def test_sensitive_values_are_hidden_and_still_tell_whether_they_change() -> None:
    [found] = changes_of(
        {
            "resource_changes": [
                change(
                    before={"same": "canary-1", "list": [{"key": "canary-2"}], "open": 1},
                    after={"same": "canary-1", "list": [{"key": "canary-3"}], "open": 2},
                    before_sensitive={"same": True, "list": [{"key": True}]},
                    after_sensitive={"same": True, "list": [{"key": True}]},
                )
            ]
        }
    )

    assert found.before == {"same": SENSITIVE, "list": [{"key": SENSITIVE}], "open": 1}
    assert found.after == {"same": SENSITIVE, "list": [{"key": SENSITIVE_CHANGED}], "open": 2}


def test_a_secret_is_hidden_where_a_provider_copied_it_unmarked() -> None:
    [found] = changes_of(
        {
            "variables": {"password": {"value": "canary-1"}},
            "configuration": {"root_module": {"variables": {"password": {"sensitive": True}}}},
            "resource_changes": [change(before={"url": "db://me:canary-1@host"}, after={"url": ["canary-1"]})],
        }
    )

    assert "canary" not in str(found)


def test_what_is_known_after_apply_is_said() -> None:
    unknown = {"id": True, "list": [{"arn": True}]}
    [found] = changes_of(
        {"resource_changes": [change(before=None, after={"name": "x", "list": [{}]}, after_unknown=unknown)]}
    )

    assert found.before == {}
    assert found.after == {"name": "x", "id": UNKNOWN, "list": [{"arn": UNKNOWN}]}
