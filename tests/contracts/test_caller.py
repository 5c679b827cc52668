"""What every caller promises."""

from lgtm_deploy.core.ports import Permission
from tests.contracts.world import ACCOUNT, World


def test_a_caller_has_an_account(world: World) -> None:
    assert world.caller.account() == ACCOUNT


def test_who_may_do_everything_may_do_what_is_asked(world: World) -> None:
    update, push = (
        Permission(action="ecs:UpdateService", resource=f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/lgtm/tempo"),
        Permission(action="ecr:GetAuthorizationToken"),
    )

    assert world.caller.may([update, push]) == {update: True, push: True}
