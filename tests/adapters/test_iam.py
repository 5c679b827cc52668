"""What IAM's simulation says, and when it cannot be asked."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.sts import StsCaller
from lgtm_deploy.core.ports import Permission

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/deployer"
SERVICE = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/lgtm/tempo"
OTHER = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/lgtm/loki"
UPDATE = Permission(action="ecs:UpdateService", resource=SERVICE)


class Identity:
    """A caller whose AWS side is scripted."""

    def __init__(self, aws: Aws, sts: Stubber, iam: Stubber) -> None:
        self.caller = StsCaller(aws)
        self.sts = sts
        self.iam = iam

    def is_(self, arn: str) -> None:
        self.sts.add_response("get_caller_identity", {"Account": ACCOUNT, "Arn": arn, "UserId": "A"})

    def as_role(self) -> None:
        self.is_(f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session")
        role = {
            "Path": "/ci/",
            "RoleName": "deployer",
            "RoleId": "AROAAAAAAAAAAAAAAAAAA",
            "Arn": ROLE,
            "CreateDate": "2026-01-16",
        }
        self.iam.add_response("get_role", {"Role": role}, {"RoleName": "deployer"})

    def simulates(self, *results: dict[str, Any], actions: list[str], resources: list[str]) -> None:
        self.iam.add_response(
            "simulate_principal_policy",
            {"EvaluationResults": list(results)},
            {"PolicySourceArn": ROLE, "ActionNames": actions, "ResourceArns": resources},
        )


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    aws = Aws(region="eu-west-1")
    with Stubber(aws.reader("sts")) as sts, Stubber(aws.reader("iam")) as iam:
        yield Identity(aws, sts, iam)


def decided(decision: str, resource: str = SERVICE, **more: Any) -> dict[str, Any]:
    return {"EvalActionName": UPDATE.action, "EvalResourceName": resource, "EvalDecision": decision, **more}


def test_what_is_denied_is_told(identity: Identity) -> None:
    identity.as_role()
    identity.simulates(decided("implicitDeny"), actions=[UPDATE.action], resources=[SERVICE])

    assert identity.caller.may([UPDATE]) == {UPDATE: False}


def test_each_resource_has_its_own_answer(identity: Identity) -> None:
    identity.as_role()
    each = [
        {"EvalResourceName": SERVICE, "EvalResourceDecision": "allowed"},
        {"EvalResourceName": OTHER, "EvalResourceDecision": "explicitDeny"},
    ]
    nested = decided("explicitDeny", "*", ResourceSpecificResults=each)
    identity.simulates(nested, actions=[UPDATE.action], resources=[OTHER, SERVICE])
    other = Permission(action=UPDATE.action, resource=OTHER)

    assert identity.caller.may([UPDATE, other]) == {UPDATE: True, other: False}


def test_a_denial_for_want_of_context_proves_nothing(identity: Identity) -> None:
    identity.as_role()
    missing = decided("implicitDeny", MissingContextValues=["aws:ResourceTag/team"])
    identity.simulates(missing, actions=[UPDATE.action], resources=[SERVICE])

    assert identity.caller.may([UPDATE]) == {UPDATE: True}


def test_a_caller_that_may_not_ask_knows_nothing(identity: Identity) -> None:
    identity.as_role()
    identity.iam.add_client_error("simulate_principal_policy", "AccessDenied", "no", 403)

    assert identity.caller.may([UPDATE]) is None


def test_a_role_that_may_not_be_looked_at_knows_nothing(identity: Identity) -> None:
    identity.is_(f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session")
    identity.iam.add_client_error("get_role", "AccessDenied", "no", 403)

    assert identity.caller.may([UPDATE]) is None


def test_a_federated_user_is_neither_role_nor_user(identity: Identity) -> None:
    identity.is_(f"arn:aws:sts::{ACCOUNT}:federated-user/somebody")

    assert identity.caller.may([UPDATE]) is None


def test_the_root_user_is_bound_by_no_policy(identity: Identity) -> None:
    identity.is_(f"arn:aws:iam::{ACCOUNT}:root")

    assert identity.caller.may([UPDATE]) == {UPDATE: True}
