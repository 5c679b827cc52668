"""What is said to AWS about shadow target groups, and what its refusals mean."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from lgtm_deploy.adapters.aws import Aws
from lgtm_deploy.adapters.elb import ElbBalancer
from lgtm_deploy.adapters.elb_shadow import MARK, ElbShadowTargets
from lgtm_deploy.core.errors import AlreadyExistsError, PermanentError, TransientError
from lgtm_deploy.core.ports import ShadowRequest

PLACE = "arn:aws:elasticloadbalancing:eu-west-1:123456789012"
BALANCER, LISTENER = f"{PLACE}:loadbalancer/app/lgtm/0", f"{PLACE}:listener/app/lgtm/0/1"
OWN, SHADOW, RULE = (
    f"{PLACE}:targetgroup/tempo/0",
    f"{PLACE}:targetgroup/shadow/0",
    f"{PLACE}:listener-rule/app/lgtm/0/1/2",
)
WANTED = ShadowRequest(name="shadow", like=OWN, path="/tempo/ready", port=3200, load_balancer="lgtm", tags={"a": "b"})
GROUP = {
    "TargetGroupArn": OWN,
    "TargetGroupName": "tempo",
    "Protocol": "HTTP",
    "ProtocolVersion": "HTTP1",
    "VpcId": "vpc-1",
    "TargetType": "ip",
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckPath": "/ready",
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckTimeoutSeconds": 5,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 3,
    "Matcher": {"HttpCode": "200,404"},
}


class Told:
    """The adapter, and the calls that it is expected to make, each with its answer."""

    def __init__(self, aws: Aws) -> None:
        self.shadow = ElbShadowTargets(aws, ElbBalancer(aws), {"lgtm-deploy.by": "dependabot[bot]@host"})
        self.reads = Stubber(aws.reader("elbv2"))
        self.writes = Stubber(aws.writer("elbv2"))

    def rules(self, *rules: dict[str, Any]) -> None:
        balancer = {"LoadBalancerArn": BALANCER, "LoadBalancerName": "lgtm"}
        listener = {"ListenerArn": LISTENER, "Port": 443, "Protocol": "HTTPS"}
        self.reads.add_response("describe_load_balancers", {"LoadBalancers": [balancer]}, {"Names": ["lgtm"]})
        self.reads.add_response("describe_listeners", {"Listeners": [listener]}, {"LoadBalancerArn": BALANCER})
        self.reads.add_response("describe_rules", {"Rules": [DEFAULT, *rules]}, {"ListenerArn": LISTENER})

    def absent(self) -> None:
        self.reads.add_client_error(
            "describe_target_groups", "TargetGroupNotFound", expected_params={"Names": ["shadow"]}
        )

    def present(self, **tags: str) -> None:
        group = {**GROUP, "TargetGroupArn": SHADOW, "TargetGroupName": "shadow"}
        self.reads.add_response("describe_target_groups", {"TargetGroups": [group]}, {"Names": ["shadow"]})
        described = [{"ResourceArn": SHADOW, "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}]
        self.reads.add_response("describe_tags", {"TagDescriptions": described}, {"ResourceArns": [SHADOW]})

    def its_rule(self) -> None:
        rules = [DEFAULT, {**rule(50_000), "Actions": [{"Type": "forward", "TargetGroupArn": SHADOW}]}]
        self.reads.add_response("describe_rules", {"Rules": rules}, {"ListenerArn": LISTENER})


DEFAULT = {"RuleArn": f"{RULE}0", "Priority": "default", "IsDefault": True, "Actions": []}


def rule(priority: int, *groups: str) -> dict[str, Any]:
    actions = [{"Type": "forward", "TargetGroupArn": group} for group in groups]
    return {"RuleArn": RULE, "Priority": str(priority), "Conditions": [], "Actions": actions}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    told = Told(Aws(region="eu-west-1"))
    with told.reads, told.writes:
        yield told
        told.reads.assert_no_pending_responses()
        told.writes.assert_no_pending_responses()


def test_it_is_made_like_the_services_own_but_brisk_strict_and_behind_a_rule_nobody_meets(told: Told) -> None:
    told.absent()
    told.rules()
    told.reads.add_response("describe_target_groups", {"TargetGroups": [GROUP]}, {"TargetGroupArns": [OWN]})
    tags = [
        {"Key": "lgtm-deploy.by", "Value": "dependabot_bot_@host"},
        {"Key": "a", "Value": "b"},
        {"Key": MARK, "Value": LISTENER},
    ]
    wanted = {
        "Name": "shadow",
        "Port": 3200,
        "Protocol": "HTTP",
        "ProtocolVersion": "HTTP1",
        "VpcId": "vpc-1",
        "TargetType": "ip",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckPath": "/tempo/ready",
        "HealthCheckIntervalSeconds": 10,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"},
        "Tags": tags,
    }
    made = {"TargetGroups": [{**GROUP, "TargetGroupArn": SHADOW}]}
    told.writes.add_response("create_target_group", made, wanted)
    # The highest priority is taken, and so, in the end, is the next: somebody was faster.
    asked = {"ListenerArn": LISTENER, "Conditions": ANY, "Actions": ANY, "Tags": tags}
    told.rules(rule(50_000))
    told.writes.add_client_error("create_rule", "PriorityInUse", expected_params={**asked, "Priority": 49_999})
    told.rules(rule(50_000), rule(49_999))
    told.writes.add_response("create_rule", {"Rules": [rule(49_998)]}, {**asked, "Priority": 49_998})

    assert told.shadow.create(WANTED) == SHADOW


def test_a_name_that_somebody_else_has_is_told(told: Told) -> None:
    told.present(Name="theirs")
    told.rules()
    told.reads.add_response("describe_target_groups", {"TargetGroups": [GROUP]}, {"TargetGroupArns": [OWN]})
    told.writes.add_client_error("create_target_group", "DuplicateTargetGroupName")

    with pytest.raises(AlreadyExistsError, match="target group shadow that lgtm-deploy has not made"):
        told.shadow.create(WANTED)


@pytest.mark.parametrize(
    ("operation", "code", "status", "error"),
    [
        ("delete_target_group", "ResourceInUse", 400, TransientError),
        ("delete_target_group", "InternalFailure", 500, TransientError),
        ("delete_target_group", "ValidationError", 400, PermanentError),
        ("delete_rule", "InternalFailure", 500, TransientError),
        ("delete_target_group", "TargetGroupNotFound", 400, None),
        ("delete_rule", "RuleNotFound", 400, None),
    ],
)
def test_removing_is_tried_again_until_it_is_gone(
    told: Told, operation: str, code: str, status: int, error: type[Exception] | None
) -> None:
    told.present(**{MARK: LISTENER})
    told.its_rule()
    if operation == "delete_target_group":
        told.writes.add_response("delete_rule", {}, {"RuleArn": RULE})
    told.writes.add_client_error(operation, code, http_status_code=status)
    if operation == "delete_rule" and error is None:
        told.writes.add_response("delete_target_group", {}, {"TargetGroupArn": SHADOW})

    if error is None:
        told.shadow.remove("shadow")
    else:
        with pytest.raises(error):
            told.shadow.remove("shadow")


def test_a_listener_that_is_gone_has_no_rule_to_remove(told: Told) -> None:
    told.present(**{MARK: LISTENER})
    told.reads.add_client_error("describe_rules", "ListenerNotFound")
    told.writes.add_response("delete_target_group", {}, {"TargetGroupArn": SHADOW})

    told.shadow.remove("shadow")


def test_a_lost_registration_is_simply_asked_for_again(told: Told) -> None:
    told.reads.add_response("describe_target_health", {"TargetHealthDescriptions": []}, {"TargetGroupArn": SHADOW})
    told.writes.add_client_error("register_targets", "InternalFailure", http_status_code=500)

    with pytest.raises(TransientError):
        told.shadow.ask(SHADOW, "10.0.0.1", 3200)


@pytest.mark.parametrize(
    ("count", "limit", "said"),
    [(1, 3, ""), (2, 3, "has 2 of 3 rules-per-application-load-balancer"), (1, 2, "has 2 of 2 rules-per")],
)
def test_a_quota_that_is_used_up_is_said_beforehand(told: Told, count: int, limit: int, said: str) -> None:
    told.rules(rule(10, OWN), rule(20, OWN))
    limits = [
        {"Name": "rules-per-application-load-balancer", "Max": str(limit)},
        {"Name": "target-groups-per-application-load-balancer", "Max": "100"},
    ]
    told.reads.add_response("describe_account_limits", {"Limits": limits})

    got = told.shadow.feasible("lgtm", count)
    assert said in got
    assert bool(said) == bool(got)


def test_a_quota_that_may_not_be_read_is_not_judged(told: Told) -> None:
    told.rules()
    told.reads.add_client_error("describe_account_limits", "AccessDenied", http_status_code=403)

    assert told.shadow.feasible("lgtm") == ""
