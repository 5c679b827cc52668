"""A temporary target group behind a rule that nobody asks for (AWS: Elastic Load Balancing v2)."""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from lgtm_deploy.adapters.aws import Aws, changing, error_code, reading
from lgtm_deploy.adapters.elb import health_check
from lgtm_deploy.core.errors import AlreadyExistsError, InDoubtError, NotFoundError, PermanentError, TransientError
from lgtm_deploy.core.ports import Answer, Balancer, ListenerRule, Shadow, ShadowRequest
from lgtm_deploy.core.shadow import answer_of, doubt_of, shadow_check, shadow_listener

# Only what bears this tag is ever removed; it holds the listener's ARN, by which the rule is found again.
MARK = "lgtm-deploy.shadow-listener"
# AWS: CreateRule, Priority: 1 to 50,000.
LAST_PRIORITY = 50_000
# Another run, or another service of this one, may take the priority between the look and the change.
PRIORITY_ATTEMPTS = 5
RULES = "rules-per-application-load-balancer"
GROUPS = "target-groups-per-application-load-balancer"
# What it has of the service's own target group.
SAME = ("Protocol", "ProtocolVersion", "VpcId", "TargetType", "IpAddressType", "HealthCheckProtocol", "HealthCheckPort")

# AWS's codes; its API model names them with `Exception` at the end.
TAKEN = ("DuplicateTargetGroupName", "DuplicateTargetGroupNameException")
PRIORITY_TAKEN = ("PriorityInUse", "PriorityInUseException")
IN_USE = ("ResourceInUse", "ResourceInUseException")

# AWS: Tag, Value: letters, digits, spaces and _.:/=+-@, at most 256.
_NOT_IN_TAGS = re.compile(r"[^\w\s.:/=+\-@]")
_TAG_LENGTH = 256


class ElbShadowTargets:
    """Shadow target groups of one region. `tags` are put on whatever is made, beside those that are asked for."""

    def __init__(self, aws: Aws, balancer: Balancer, tags: Mapping[str, str]) -> None:
        self._aws = aws
        self._balancer = balancer
        self._tags = tags

    def feasible(self, load_balancer: str, count: int = 1) -> str:
        """Why that load balancer cannot have so many more; empty when it can.

        Quotas that may not be read are not judged.
        """
        try:
            rules = self._balancer.rules(load_balancer)
            _listener(load_balancer, rules)
        except NotFoundError as error:
            return str(error)
        limits = self._limits()
        # The default rule does not count (AWS: quotas for Application Load Balancers).
        listed = [rule for rule in rules if rule.priority is not None]
        groups = {arn for rule in rules for arn in rule.target_groups}
        for quota, now in ((RULES, len(listed)), (GROUPS, len(groups))):
            if quota in limits and now + count > limits[quota]:
                return f"Load balancer {load_balancer} has {now} of {limits[quota]} {quota}."
        return ""

    def find(self, name: str) -> Shadow | None:
        """The shadow target group of that name, or None: also when the target group of that name is not a shadow."""
        found = self._ours(name)
        if found is None:
            return None
        arn, listener = found
        return Shadow(arn=arn, complete=bool(self._rules_to(arn, listener)))

    def create(self, wanted: ShadowRequest) -> str:
        """Makes target group and rule, in this order; what was left under the name is removed first."""
        self.remove(wanted.name)
        listener = _listener(wanted.load_balancer, self._balancer.rules(wanted.load_balancer))
        tags = _tags({**self._tags, **wanted.tags, MARK: listener})
        arn = self._create_group(wanted, tags)
        self._create_rule(wanted.load_balancer, listener, arn, tags)
        return arn

    def ask(self, arn: str, address: str, port: int) -> Answer:
        """What the load balancer's checks got; the first question only registers the task."""
        target = next(
            (each for each in self._balancer.targets(arn) if (each.address, each.port) == (address, port)), None
        )
        if target is None or target.status == "draining" or target.reason == "Target.NotRegistered":
            self._register(arn, address, port)
            raise TransientError(f"{address}:{port} is being registered for the load balancer's check.")
        answer = answer_of(target)
        if answer is None:
            raise TransientError(f"{address}:{port} {doubt_of(target)}.")
        return answer

    def remove(self, name: str) -> None:
        """Removes the rule, then the target group with its registrations, and is safe to repeat.

        Targets need not be deregistered first (AWS: DeleteTargetGroup does not affect them), only no action may refer
        to the group any more.
        """
        found = self._ours(name)
        if found is None:
            return
        arn, listener = found
        try:
            client = self._aws.writer("elbv2")
            for rule in self._rules_to(arn, listener):
                _delete(f"Removing the rule of {name}", client.delete_rule, RuleArn=rule)
            _delete(f"Removing target group {name}", client.delete_target_group, TargetGroupArn=arn)
        except InDoubtError as error:
            # Whether it had an effect is asked again anyway: what is gone is not removed twice.
            raise TransientError(str(error)) from error

    def _ours(self, name: str) -> tuple[str, str] | None:
        """ARNs of the shadow target group of that name and of its listener."""
        found = self._groups(Names=[name])
        if not found:
            return None
        arn: str = found[0]["TargetGroupArn"]
        try:
            with reading(f"The tags of target group {name}"):
                described = self._aws.reader("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
        except NotFoundError:
            return None
        tags = {tag["Key"]: tag.get("Value", "") for each in described for tag in each.get("Tags", [])}
        return (arn, tags[MARK]) if MARK in tags else None

    def _groups(self, **which: Any) -> Sequence[Mapping[str, Any]]:
        try:
            with reading("The shadow's target groups"):
                found: Sequence[Mapping[str, Any]] = self._aws.reader("elbv2").describe_target_groups(**which)[
                    "TargetGroups"
                ]
        except NotFoundError:
            return []
        return found

    def _create_group(self, wanted: ShadowRequest, tags: list[dict[str, str]]) -> str:
        original = next(iter(self._groups(TargetGroupArns=[wanted.like])), None)
        if original is None:
            raise NotFoundError(f"There is no target group {wanted.like}.")
        check = shadow_check(health_check(original), wanted.path)
        asked: dict[str, Any] = {
            "Name": wanted.name,
            "Port": wanted.port,
            "HealthCheckPath": check.path,
            "HealthCheckIntervalSeconds": check.interval,
            "HealthCheckTimeoutSeconds": check.timeout,
            "HealthyThresholdCount": check.healthy_threshold,
            "UnhealthyThresholdCount": check.unhealthy_threshold,
            "Matcher": {"HttpCode": check.matcher},
            "Tags": tags,
        }
        asked |= {same: original[same] for same in SAME if original.get(same)}
        try:
            with changing(f"Making target group {wanted.name}"):
                made = self._aws.writer("elbv2").create_target_group(**asked)
        except PermanentError as error:
            if _code(error) in TAKEN:
                raise AlreadyExistsError(
                    f"There is a target group {wanted.name} that lgtm-deploy has not made.",
                    resolution="Rename or remove it, or set `task_probe: direct` and run inside the VPC.",
                ) from error
            raise
        arn: str = made["TargetGroups"][0]["TargetGroupArn"]
        return arn

    def _create_rule(self, load_balancer: str, listener: str, arn: str, tags: list[dict[str, str]]) -> None:
        for _ in range(PRIORITY_ATTEMPTS):
            taken = {rule.priority for rule in self._balancer.rules(load_balancer) if rule.listener == listener}
            priority = next(each for each in range(LAST_PRIORITY, 0, -1) if each not in taken)
            try:
                with changing(f"Making a rule of load balancer {load_balancer}"):
                    self._aws.writer("elbv2").create_rule(
                        ListenerArn=listener,
                        Priority=priority,
                        # Nobody is to meet it: no request of a user has this path, or can guess it.
                        Conditions=[
                            {"Field": "path-pattern", "Values": [f"/lgtm-deploy-shadow-{secrets.token_hex()}/*"]}
                        ],
                        Actions=[{"Type": "forward", "TargetGroupArn": arn}],
                        Tags=tags,
                    )
            except PermanentError as error:
                if _code(error) not in PRIORITY_TAKEN:
                    raise
            else:
                return
        raise TransientError(f"Load balancer {load_balancer}: other rules take every priority that is free.")

    def _register(self, arn: str, address: str, port: int) -> None:
        try:
            with changing(f"Registering {address}:{port}"):
                self._aws.writer("elbv2").register_targets(TargetGroupArn=arn, Targets=[{"Id": address, "Port": port}])
        except InDoubtError as error:
            # Registering what is registered changes nothing (AWS: RegisterTargets).
            raise TransientError(str(error)) from error

    def _rules_to(self, arn: str, listener: str) -> list[str]:
        try:
            with reading(f"The rules of {listener}"):
                pages = self._aws.reader("elbv2").get_paginator("describe_rules").paginate(ListenerArn=listener)
                return [
                    rule["RuleArn"]
                    for page in pages
                    for rule in page["Rules"]
                    if any(action.get("TargetGroupArn") == arn for action in rule.get("Actions", []))
                ]
        except NotFoundError:
            return []

    def _limits(self) -> Mapping[str, int]:
        try:
            with reading("The quotas of load balancers"):
                pages = self._aws.reader("elbv2").get_paginator("describe_account_limits").paginate()
                return {each["Name"]: int(each["Max"]) for page in pages for each in page["Limits"]}
        except PermanentError:
            return {}


def _delete(what: str, call: Callable[..., object], **which: str) -> None:
    try:
        with changing(what):
            call(**which)
    except NotFoundError:
        return
    except PermanentError as error:
        if _code(error) in IN_USE:
            raise TransientError(f"{what}: a rule still leads to it.") from error
        raise


def _listener(load_balancer: str, rules: Sequence[ListenerRule]) -> str:
    found = shadow_listener(rules)
    if not found:
        raise NotFoundError(f"Load balancer {load_balancer} has no HTTP or HTTPS listener.")
    return found


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": _NOT_IN_TAGS.sub("_", value)[:_TAG_LENGTH]} for key, value in tags.items()]


def _code(error: PermanentError) -> str:
    return error_code(error.__cause__) if isinstance(error.__cause__, ClientError) else ""
