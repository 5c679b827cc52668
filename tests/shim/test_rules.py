"""A target group comes to life with a listener rule, and stays while one leads to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.shim.cloud import Cloud, wait_until

pytestmark = pytest.mark.sandbox


def lead(cloud: Cloud, group: str, priority: int) -> Any:
    return cloud.client("elbv2").create_rule(
        ListenerArn=cloud.listener,
        Priority=priority,
        Conditions=[{"Field": "path-pattern", "Values": ["/nobody-asks-for-this/*"]}],
        Actions=[{"Type": "forward", "TargetGroupArn": group}],
        Tags=[{"Key": "by", "Value": "test"}],
    )["Rules"][0]["RuleArn"]


def test_targets_are_checked_only_while_a_rule_leads_to_their_group(cloud: Cloud) -> None:
    balancing = cloud.client("elbv2")
    group = cloud.target_group("ruled", rule=False)
    balancing.register_targets(TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": 1}])
    wait_until(lambda: cloud.targets(group) == [("unused", "Target.NotInUse")], 5, "without a rule it is unused")

    rule = lead(cloud, group, 40_001)
    wait_until(lambda: cloud.states(group) == ["unhealthy"], 10, "with a rule it is checked")
    balancing.delete_rule(RuleArn=rule)
    wait_until(lambda: cloud.targets(group) == [("unused", "Target.NotInUse")], 5, "without it no more")


def test_a_group_that_a_rule_leads_to_cannot_be_deleted(cloud: Cloud) -> None:
    balancing = cloud.client("elbv2")
    group = cloud.target_group("used", rule=False)
    rule = lead(cloud, group, 40_002)

    with pytest.raises(balancing.exceptions.ResourceInUseException):
        balancing.delete_target_group(TargetGroupArn=group)
    balancing.delete_rule(RuleArn=rule)
    balancing.delete_target_group(TargetGroupArn=group)

    with pytest.raises(balancing.exceptions.TargetGroupNotFoundException):
        balancing.describe_target_groups(TargetGroupArns=[group])


def test_a_priority_is_given_once(cloud: Cloud) -> None:
    balancing = cloud.client("elbv2")
    group = cloud.target_group("twice", rule=False)
    rule = lead(cloud, group, 40_003)

    with pytest.raises(balancing.exceptions.PriorityInUseException):
        lead(cloud, group, 40_003)
    balancing.delete_rule(RuleArn=rule)
    rule = lead(cloud, group, 40_003)

    described = balancing.describe_tags(ResourceArns=[group, rule])["TagDescriptions"]
    assert described[1]["Tags"] == [{"Key": "by", "Value": "test"}]
    balancing.delete_rule(RuleArn=rule)
