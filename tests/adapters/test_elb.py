"""What listener rules say, as AWS describes them."""

from typing import Any

import pytest
from botocore.stub import Stubber

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.elb import ElbBalancer
from lgtm_deploy.core.ports import ListenerRule

BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/lgtm/0"
LISTENER = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/lgtm/0/1"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup"
TEMPO, LOKI = f"{GROUP}/tempo/0", f"{GROUP}/loki/0"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return Aws(region="eu-west-1")


def described(aws: Aws, *rules: dict[str, Any]) -> list[ListenerRule]:
    listener = {"ListenerArn": LISTENER, "Port": 443, "Protocol": "HTTPS"}
    with Stubber(aws.reader("elbv2")) as stub:
        balancer = {"LoadBalancerArn": BALANCER, "LoadBalancerName": "lgtm"}
        stub.add_response("describe_load_balancers", {"LoadBalancers": [balancer]}, {"Names": ["lgtm"]})
        stub.add_response("describe_listeners", {"Listeners": [listener]}, {"LoadBalancerArn": BALANCER})
        stub.add_response("describe_rules", {"Rules": list(rules)}, {"ListenerArn": LISTENER})
        return list(ElbBalancer(aws).rules("lgtm"))


def forward(*arns: str) -> list[dict[str, Any]]:
    weighted = {"TargetGroups": [{"TargetGroupArn": arn, "Weight": 1} for arn in arns]}
    return [{"Type": "forward", "TargetGroupArn": arns[0], "ForwardConfig": weighted}]


def on_paths(*paths: str) -> dict[str, Any]:
    return {"Field": "path-pattern", "Values": list(paths), "PathPatternConfig": {"Values": list(paths)}}


@pytest.mark.parametrize(
    ("described", "port", "http"),
    [
        ({"HealthCheckPort": "traffic-port", "HealthCheckProtocol": "HTTP", "Matcher": {"HttpCode": "200"}}, 0, True),
        ({"HealthCheckPort": "4318", "HealthCheckProtocol": "HTTPS", "Matcher": {"HttpCode": "200"}}, 4318, True),
        ({"HealthCheckPort": "traffic-port", "HealthCheckProtocol": "HTTP", "Matcher": {"GrpcCode": "12"}}, 0, False),
        ({"HealthCheckPort": "traffic-port", "HealthCheckProtocol": "TCP"}, 0, False),
    ],
)
def test_a_target_group_says_where_and_how_it_checks(
    aws: Aws, described: dict[str, Any], port: int, http: bool
) -> None:
    numbers = dict.fromkeys(("HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds"), 5)
    numbers |= dict.fromkeys(("HealthyThresholdCount", "UnhealthyThresholdCount"), 2)
    with Stubber(aws.reader("elbv2")) as stub:
        group = {"TargetGroupArn": TEMPO, "TargetGroupName": "tempo", **numbers, **described}
        stub.add_response("describe_target_groups", {"TargetGroups": [group]}, {"Names": ["tempo"]})
        stub.add_response("describe_target_group_attributes", {"Attributes": []}, {"TargetGroupArn": TEMPO})
        found = ElbBalancer(aws).target_group("tempo")

    assert (found.check_port, found.checks_http) == (port, http)


def test_weighted_target_groups_all_count(aws: Aws) -> None:
    [rule] = described(
        aws, {"Priority": "30", "Conditions": [on_paths("/tempo/*", "/a?")], "Actions": forward(TEMPO, LOKI)}
    )

    assert rule == ListenerRule(
        listener=LISTENER,
        port=443,
        protocol="HTTPS",
        priority=30,
        paths=("/tempo/*", "/a?"),
        target_groups=(TEMPO, LOKI),
    )


def test_the_default_rule_is_tried_last_and_has_no_priority(aws: Aws) -> None:
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
    rules = described(
        aws,
        {"Priority": "default", "IsDefault": True, "Conditions": [], "Actions": fixed},
        {"Priority": "100", "Conditions": [on_paths("/b")], "Actions": forward(LOKI)},
        {"Priority": "9", "Conditions": [on_paths("/a")], "Actions": forward(TEMPO)},
    )

    assert [rule.priority for rule in rules] == [9, 100, None]
    assert rules[-1].target_groups == ()
    assert rules[-1].paths == ()


@pytest.mark.parametrize(
    "condition",
    [
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["tempo.example.com"]}},
        {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/tempo/.*$"]}},
    ],
)
def test_a_rule_that_asks_for_more_than_a_path_pattern_is_conditional(aws: Aws, condition: dict[str, Any]) -> None:
    [rule] = described(
        aws, {"Priority": "1", "Conditions": [on_paths("/tempo/*"), condition], "Actions": forward(TEMPO)}
    )

    assert rule.conditional
    assert rule.paths == ("/tempo/*",)


def test_a_rule_that_changes_the_path_says_so(aws: Aws) -> None:
    rewrite = {
        "Type": "url-rewrite",
        "UrlRewriteConfig": {"Rewrites": [{"Regex": "^/tempo/(.*)$", "Replace": "/$1"}]},
    }
    [rule] = described(
        aws,
        {
            "Priority": "1",
            "Conditions": [on_paths("/tempo/*")],
            "Actions": forward(TEMPO),
            "Transforms": [rewrite],
        },
    )

    assert rule.rewrites
