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


def test_forward_to_several_target_groups_goes_by_weight(cloud: Cloud) -> None:
    for name, tag in (("weighed-a", "good"), ("weighed-b", "new")):
        cloud.serve(name, cloud.register(name, cloud.image("app", tag)))
    for name in ("weighed-a", "weighed-b"):
        cloud.wait_steady(name)
    balancing = cloud.client("elbv2")
    arns = {
        group["TargetGroupName"]: group["TargetGroupArn"]
        for group in balancing.describe_target_groups()["TargetGroups"]
    }

    def forward(*weights: int) -> list[dict[str, Any]]:
        groups = [
            {"TargetGroupArn": arns[name], "Weight": weight}
            for name, weight in zip(("weighed-a", "weighed-b"), weights, strict=True)
        ]
        sticky = {"Enabled": False}
        config = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
        return [{"Type": "forward", "Order": 1, "ForwardConfig": config}]

    rule = balancing.create_rule(
        ListenerArn=cloud.listener,
        Priority=40_010,
        Conditions=[{"Field": "path-pattern", "Values": ["/weighed/*"]}],
        Actions=forward(9, 1),
    )["Rules"][0]["RuleArn"]
    assert balancing.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"] == forward(9, 1)
    seen = [cloud.get("/weighed/x").headers["x-mark"] for _ in range(200)]
    # Out of 200, 90 in 100: fewer than 160 or 200 itself would be one in a million.
    assert 160 <= seen.count("good") < 200
    balancing.modify_rule(RuleArn=rule, Actions=forward(0, 1))
    assert {cloud.get("/weighed/x").headers["x-mark"] for _ in range(20)} == {"new"}
    balancing.delete_rule(RuleArn=rule)

    made = balancing.create_listener(
        LoadBalancerArn=balancing.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"],
        Port=81,
        Protocol="HTTP",
        DefaultActions=forward(1, 2),
    )["Listeners"][0]
    try:
        described = balancing.describe_listeners(ListenerArns=[made["ListenerArn"]])["Listeners"][0]
        assert described["DefaultActions"] == forward(1, 2)
        one = [
            {**action, "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arns["weighed-a"]}]}}
            for action in forward(1, 1)
        ]
        [changed] = balancing.modify_listener(ListenerArn=made["ListenerArn"], DefaultActions=one)["Listeners"]
        assert changed["DefaultActions"][0]["TargetGroupArn"] == arns["weighed-a"]
        assert changed["DefaultActions"][0]["ForwardConfig"]["TargetGroups"][0]["Weight"] == 1
    finally:
        balancing.delete_listener(ListenerArn=made["ListenerArn"])
