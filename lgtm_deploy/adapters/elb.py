"""What the load balancer checks and how its targets are (AWS: Elastic Load Balancing v2)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lgtm_deploy.adapters.aws import Aws, changing, reading
from lgtm_deploy.core.errors import NotFoundError
from lgtm_deploy.core.ports import HealthCheck, ListenerRule, Target, TargetGroup

# AWS: TargetGroupAttribute deregistration_delay.timeout_seconds, default.
DEREGISTRATION_DELAY = 300
USUAL_PORTS = {"HTTP": 80, "HTTPS": 443}


class ElbBalancer:
    """Application load balancers of one region."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def target_group(self, name: str) -> TargetGroup:
        """The target group of that name. Raises NotFoundError."""
        client = self._aws.reader("elbv2")
        with reading(f"Target group {name}"):
            found = client.describe_target_groups(Names=[name])["TargetGroups"]
        if not found:
            raise NotFoundError(f"There is no target group {name}.")
        group: Mapping[str, Any] = found[0]
        with reading(f"The attributes of target group {name}"):
            attributes = client.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
        values = {attribute["Key"]: attribute["Value"] for attribute in attributes}
        return TargetGroup(
            arn=group["TargetGroupArn"],
            name=group["TargetGroupName"],
            health_check=health_check(group),
            deregistration_delay=int(values.get("deregistration_delay.timeout_seconds", DEREGISTRATION_DELAY)),
            check_port=int(port) if (port := str(group.get("HealthCheckPort", ""))).isdigit() else 0,
            checks_http=group.get("HealthCheckProtocol", "HTTP") in USUAL_PORTS
            and "GrpcCode" not in group.get("Matcher", {}),
            # AWS: CreateTargetGroup: the default is `instance`.
            target_type=group.get("TargetType", "instance"),
        )

    def targets(self, arn: str) -> Sequence[Target]:
        """The targets of the group with that ARN, as checked now. Raises NotFoundError."""
        with reading(f"The targets of {arn}"):
            found = self._aws.reader("elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        return [_target(described) for described in found]

    def address(self, name: str) -> str:
        """The URL of the load balancer of that name: HTTPS where it has such a listener. Raises NotFoundError."""
        found = self._balancer(name)
        listeners = self._listeners(found)
        usable = [listener for listener in listeners if listener.get("Protocol") in USUAL_PORTS]
        if not usable:
            raise NotFoundError(f"Load balancer {name} has no HTTP or HTTPS listener.")
        # A plain listener beside an encrypted one usually only redirects to it.
        chosen = max(usable, key=lambda listener: (listener["Protocol"] == "HTTPS", -listener["Port"]))
        port = "" if chosen["Port"] == USUAL_PORTS[chosen["Protocol"]] else f":{chosen['Port']}"
        return f"{chosen['Protocol'].lower()}://{found['DNSName']}{port}"

    def rules(self, load_balancer: str) -> Sequence[ListenerRule]:
        """The rules of all listeners of the load balancer of that name (AWS: DescribeListeners, DescribeRules), each
        listener's in the order in which they are tried. Raises NotFoundError."""
        client = self._aws.reader("elbv2")
        found: list[ListenerRule] = []
        for listener in self._listeners(self._balancer(load_balancer)):
            with reading(f"The rules of load balancer {load_balancer}"):
                described = client.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
            rules = [_rule(listener, rule) for rule in described]
            found += sorted(rules, key=lambda rule: math.inf if rule.priority is None else rule.priority)
        return found

    def set_health_check(self, arn: str, check: HealthCheck) -> None:
        """Lets the target group check so from now on (AWS: ModifyTargetGroup). Raises NotFoundError."""
        with reading(f"Target group {arn}"):
            found = self._aws.reader("elbv2").describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
        now: Mapping[str, Any] = found[0] if found else {}
        wanted = {
            "HealthCheckPath": check.path,
            "HealthCheckIntervalSeconds": check.interval,
            "HealthCheckTimeoutSeconds": check.timeout,
            "HealthyThresholdCount": check.healthy_threshold,
            "UnhealthyThresholdCount": check.unhealthy_threshold,
            "Matcher": {"GrpcCode" if "GrpcCode" in now.get("Matcher", {}) else "HttpCode": check.matcher},
        }
        # Some of it cannot be changed in every group, and then may not even be named (AWS: ModifyTargetGroup).
        changes = {name: value for name, value in wanted.items() if now.get(name) != value}
        with changing(f"The health check of {arn}"):
            self._aws.writer("elbv2").modify_target_group(TargetGroupArn=arn, **changes)

    def _balancer(self, name: str) -> Mapping[str, Any]:
        with reading(f"Load balancer {name}"):
            found = self._aws.reader("elbv2").describe_load_balancers(Names=[name])["LoadBalancers"]
        if not found:
            raise NotFoundError(f"There is no load balancer {name}.")
        balancer: Mapping[str, Any] = found[0]
        return balancer

    def _listeners(self, balancer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        with reading(f"The listeners of load balancer {balancer['LoadBalancerName']}"):
            found: Sequence[Mapping[str, Any]] = self._aws.reader("elbv2").describe_listeners(
                LoadBalancerArn=balancer["LoadBalancerArn"]
            )["Listeners"]
        return found


def health_check(group: Mapping[str, Any]) -> HealthCheck:
    """How a target group checks, as AWS describes it."""
    matcher = group.get("Matcher", {})
    return HealthCheck(
        path=group.get("HealthCheckPath", ""),
        matcher=matcher.get("HttpCode") or matcher.get("GrpcCode", ""),
        interval=group["HealthCheckIntervalSeconds"],
        timeout=group["HealthCheckTimeoutSeconds"],
        healthy_threshold=group["HealthyThresholdCount"],
        unhealthy_threshold=group["UnhealthyThresholdCount"],
    )


def _rule(listener: Mapping[str, Any], rule: Mapping[str, Any]) -> ListenerRule:
    patterns = [_patterns(condition) for condition in rule.get("Conditions", [])]
    return ListenerRule(
        listener=listener["ListenerArn"],
        port=listener.get("Port", 0),
        protocol=listener.get("Protocol", ""),
        priority=None if rule.get("IsDefault") else int(rule["Priority"]),
        paths=tuple(path for paths in patterns for path in paths),
        target_groups=tuple(dict.fromkeys(arn for action in rule.get("Actions", []) for arn in _groups(action))),
        conditional=not all(patterns),
        rewrites=any(transform.get("Type") == "url-rewrite" for transform in rule.get("Transforms", [])),
    )


def _patterns(condition: Mapping[str, Any]) -> Sequence[str]:
    """The path patterns that a condition asks for; none when it asks for anything else."""
    if condition.get("Field") != "path-pattern":
        return []
    found: Sequence[str] = condition.get("PathPatternConfig", {}).get("Values") or condition.get("Values", [])
    return found


def _groups(action: Mapping[str, Any]) -> Sequence[str]:
    """AWS gives both the one target group and the weighted list where an action forwards to a single one."""
    if action.get("Type") != "forward":
        return []
    weighted = action.get("ForwardConfig", {}).get("TargetGroups", [])
    return [group["TargetGroupArn"] for group in weighted] or [action["TargetGroupArn"]]


def _target(described: Mapping[str, Any]) -> Target:
    health = described.get("TargetHealth", {})
    # AWS also has `unhealthy.draining`: a target that leaves, whatever its checks say.
    state = str(health.get("State", "unavailable"))
    return Target(
        address=described["Target"]["Id"],
        port=described["Target"].get("Port", 0),
        status="draining" if state.endswith("draining") else state,  # type: ignore[arg-type]
        reason=health.get("Reason", ""),
        description=health.get("Description", ""),
    )
