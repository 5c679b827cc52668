"""What do the load balancer's API and data plane answer, given the truth about targets?"""

from __future__ import annotations

import random
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import alb

from .targets import Target, TargetTable, group_of, in_use, registered

# The load balancer's own error pages; AWS: load-balancer-troubleshooting ("HTTP 502/503/504").
ERROR_TITLES = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}


class Balancer:
    """Replaces MiniStack's target registration, target health and choice of target."""

    def __init__(self, table: TargetTable) -> None:
        """Answer from ``table``."""
        self._table = table
        self._create_rule = alb._create_rule
        self._delete_group = alb._delete_tg
        self._forward = alb._forward_to_tg
        self._proxy = alb._proxy_http_target
        self._parse_actions = alb._parse_actions
        self._action_xml = alb._action_xml
        self._execute_actions = alb._execute_actions

    def install(self) -> None:
        """Put the replacements into MiniStack."""
        actions = {
            "CreateRule": self.create_rule,
            "RegisterTargets": self.register_targets,
            "DeregisterTargets": self.deregister_targets,
            "DescribeTargetHealth": self.describe_target_health,
            "DeleteTargetGroup": self.delete_target_group,
        }
        alb._ACTION_MAP.update(actions)
        alb._forward_to_tg = self.forward
        alb._proxy_http_target = self.proxy
        alb._parse_actions = self.parse_actions
        alb._action_xml = self.action_xml
        alb._execute_actions = self.execute_actions

    def create_rule(self, parameters: dict[str, Any]) -> Any:
        """CreateRule: "a listener can't have multiple rules with the same priority" (AWS: CreateRule, Priority)."""
        listener, priority = alb._p(parameters, "ListenerArn"), alb._p(parameters, "Priority")
        taken = {str(rule["Priority"]) for rule in alb._rules.values() if rule["ListenerArn"] == listener}
        if priority in taken:
            return alb._error("PriorityInUse", f"Priority '{priority}' is currently in use")
        return self._create_rule(parameters)

    def register_targets(self, parameters: dict[str, Any]) -> Any:
        """RegisterTargets: a target is an address and a port, so one address may be registered twice."""
        arn, group = self._group(parameters)
        if group is None:
            return _no_group(arn)
        for target in _targets(arn, group, parameters):
            self._table.register(target)
        return alb._empty("RegisterTargets")

    def deregister_targets(self, parameters: dict[str, Any]) -> Any:
        """DeregisterTargets: without a port, every registration of the address drains."""
        arn, group = self._group(parameters)
        if group is None:
            return _no_group(arn)
        wanted = [(str(t["Id"]), t.get("Port")) for t in alb._parse_targets_param(parameters)]
        for target in registered(arn):
            if any(
                target.address == address and str(port or target.port) == str(target.port) for address, port in wanted
            ):
                self._table.deregister(target)
        return alb._empty("DeregisterTargets")

    def delete_target_group(self, parameters: dict[str, Any]) -> Any:
        """DeleteTargetGroup: its targets go with it; one that an action refers to stays (AWS: DeleteTargetGroup)."""
        arn, group = self._group(parameters)
        if group and in_use(arn):
            return alb._error("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
        answer = self._delete_group(parameters)
        self._table.forget_group(alb._p(parameters, "TargetGroupArn"))
        return answer

    def describe_target_health(self, parameters: dict[str, Any]) -> Any:
        """DescribeTargetHealth with AWS's states and reason codes, draining targets included."""
        arn, group = self._group(parameters)
        if group is None:
            return _no_group(arn)
        wanted = {str(target["Id"]) for target in alb._parse_targets_param(parameters)}
        members = ""
        seen = self._table.in_group(arn)
        for target in sorted(seen, key=lambda t: (t.address, t.port)):
            if wanted and target.address not in wanted:
                continue
            members += _member(target, group, seen[target])
        return alb._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{members}</TargetHealthDescriptions>")

    async def forward(self, arn: str, *request: Any, **named: Any) -> Any:
        """Forward to a healthy target; to any registered one where none is healthy (fail open).

        AWS: "If a target group contains only unhealthy registered targets, the load balancer routes requests to
        all those targets" (target-group-health-checks).
        """
        group = alb._tgs.get(arn)
        listed = registered(arn) if group else []
        if not group or not listed or group.get("TargetType") not in {"ip", "instance"}:
            return _page(await self._forward(arn, *request, **named))
        healthy = [target for target in listed if self._table.health_of(target).state == "healthy"]
        chosen = random.choice(healthy or listed)  # noqa: S311 - spreading load is no secret
        entry = {"Id": chosen.address, "Port": chosen.port}
        method, path, headers, body, query = request[:5]
        raw_query, raw_path = (*request[5:], None, None)[:2]
        return await alb._proxy_http_target(
            entry, group, method, raw_path or path, headers, body or None, query, raw_query
        )

    def parse_actions(self, parameters: dict[str, Any], prefix: str = "DefaultActions") -> list[dict[str, Any]]:
        """The actions of a request, with the target groups and weights of a forward."""
        actions: list[dict[str, Any]] = self._parse_actions(parameters, prefix)
        for number, action in enumerate(actions, 1):
            config = _forward_config(parameters, f"{prefix}.member.{number}.ForwardConfig")
            groups = config["TargetGroups"]
            if groups:
                action["ForwardConfig"] = config
            if len(groups) == 1:
                # AWS answers with both forms where there is one target group.
                action["TargetGroupArn"] = groups[0]["TargetGroupArn"]
        return actions

    def action_xml(self, action: dict[str, Any]) -> str:
        """An action as DescribeRules and DescribeListeners answer it."""
        text: str = self._action_xml(action)
        config = action.get("ForwardConfig")
        if not config:
            return text
        groups = "".join(
            f"<member><TargetGroupArn>{group['TargetGroupArn']}</TargetGroupArn><Weight>{group['Weight']}</Weight></member>"
            for group in config["TargetGroups"]
        )
        sticky = "".join(f"<{name}>{value}</{name}>" for name, value in config["TargetGroupStickinessConfig"].items())
        forward = (
            f"<TargetGroups>{groups}</TargetGroups><TargetGroupStickinessConfig>{sticky}</TargetGroupStickinessConfig>"
        )
        return text.removesuffix("</member>") + f"<ForwardConfig>{forward}</ForwardConfig></member>"

    async def execute_actions(self, actions: list[dict[str, Any]], *request: Any, **named: Any) -> Any:
        """Carry out a rule's actions; a forward to several target groups takes one by weight.

        AWS: load-balancer-listeners, "each target group weight is a value from 0 to 999".
        """
        chosen = []
        for action in actions:
            groups = (action.get("ForwardConfig") or {}).get("TargetGroups", [])
            weights = [group["Weight"] for group in groups]
            if any(weights):
                group = random.choices(groups, weights)[0]  # noqa: S311 - spreading load is no secret
                action = {**action, "TargetGroupArn": group["TargetGroupArn"]}  # noqa: PLW2901
            chosen.append(action)
        return await self._execute_actions(chosen, *request, **named)

    async def proxy(self, *request: Any, **named: Any) -> Any:
        """Pass a request to a target; a refused connection is 502 and a timeout 504, as AWS documents.

        The load balancer's ``idle_timeout.timeout_seconds`` bounds the wait for an answer.
        """
        arns = [balancer["LoadBalancerArn"] for balancer in alb._lbs.values()]
        timeouts = [float(alb._lb_attr(arn, "idle_timeout.timeout_seconds", 60)) for arn in arns]
        alb.TARGET_IDLE_TIMEOUT = min(timeouts, default=60.0)
        return _page(await self._proxy(*request, **named))

    def _group(self, parameters: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        arn = alb._p(parameters, "TargetGroupArn")
        return arn, group_of(arn) if arn.count(":") >= 5 else None  # noqa: PLR2004 - an ARN has six parts


def _forward_config(parameters: dict[str, Any], prefix: str) -> dict[str, Any]:
    groups: list[dict[str, Any]] = []
    while arn := alb._p(parameters, f"{prefix}.TargetGroups.member.{len(groups) + 1}.TargetGroupArn"):
        weight = alb._p(parameters, f"{prefix}.TargetGroups.member.{len(groups) + 1}.Weight")
        groups.append({"TargetGroupArn": arn, "Weight": int(weight or 1)})
    sticky = {"Enabled": alb._p(parameters, f"{prefix}.TargetGroupStickinessConfig.Enabled") or "false"}
    seconds = alb._p(parameters, f"{prefix}.TargetGroupStickinessConfig.DurationSeconds")
    if seconds:
        sticky["DurationSeconds"] = seconds
    return {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}


def _no_group(arn: str) -> Any:
    return alb._error("TargetGroupNotFound", f"Target group '{arn}' not found.")


def _targets(arn: str, group: dict[str, Any], parameters: dict[str, Any]) -> list[Target]:
    return [
        Target(arn, str(entry["Id"]), int(entry.get("Port") or group["Port"]))
        for entry in alb._parse_targets_param(parameters)
    ]


def _member(target: Target, group: dict[str, Any], known: Any) -> str:
    check_port = group.get("HealthCheckPort", "traffic-port")
    why = f"<Reason>{known.reason}</Reason>" if known.reason else ""
    if known.description:
        why += f"<Description>{escape(known.description)}</Description>"
    return (
        f"<member><Target><Id>{escape(target.address)}</Id><Port>{target.port}</Port></Target>"
        f"<HealthCheckPort>{target.port if check_port == 'traffic-port' else check_port}</HealthCheckPort>"
        f"<TargetHealth><State>{known.state}</State>{why}</TargetHealth></member>"
    )


def _page(answer: Any) -> Any:
    """Put the load balancer's own HTML page in place of MiniStack's JSON; a target's own answer passes as it is."""
    status, _, body = answer
    if status not in ERROR_TITLES or not isinstance(body, bytes) or not body.startswith(b'{"message"'):
        return answer
    timed_out = b"timed out" in body
    title = ERROR_TITLES[504 if timed_out else status]
    heading = f"<center><h1>{title}</h1></center>"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n{heading}\r\n</body>\r\n</html>\r\n"
    return 504 if timed_out else status, {"Content-Type": "text/html"}, page.encode()
