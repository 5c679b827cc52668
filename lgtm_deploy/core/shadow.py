"""What a shadow target group is called, how it checks, and what its checks tell."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from lgtm_deploy.core.ports import Answer, HealthCheck, ListenerRule, Target
from lgtm_deploy.core.stack import Stack

# AWS: CreateTargetGroup, Name: at most 32 letters, digits and hyphens, no hyphen at either end.
NAME_LENGTH = 32
# AWS: CreateTargetGroup, HealthCheckIntervalSeconds: 5 to 300.
SHORTEST_INTERVAL = 5
LONGEST_INTERVAL = 10
# AWS: CreateTargetGroup, HealthCheckTimeoutSeconds: 2 to 120.
SHORTEST_TIMEOUT = 2
# AWS: CreateTargetGroup, HealthyThresholdCount and UnhealthyThresholdCount: 2 to 10.
THRESHOLD = 2
# What a gate takes for a healthy answer, whatever else the service's own target group lets pass meanwhile.
MATCHER = "200"

_HTTP = ("HTTP", "HTTPS")
_HASH_LENGTH = 6
_CODES = re.compile(r"\[([\d,\s]+)\]")


def shadow_name(stack: Stack, service: str) -> str:
    """The name of the service's shadow target group: the same in every run, so that what one leaves the next finds."""
    environment = stack.environment.name
    digest = hashlib.sha256("\0".join((stack.name, environment, service)).encode()).hexdigest()[:_HASH_LENGTH]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"shadow-{environment}-{service}")
    return f"{readable[: NAME_LENGTH - _HASH_LENGTH - 1].rstrip('-')}-{digest}"


def shadow_listener(rules: Iterable[ListenerRule]) -> str:
    """The ARN of the listener that gets the rule; empty when there is none.

    It is the first by port, of HTTP or HTTPS, that forwards to any target group; else the first. A listener that only
    redirects gets no rule where another one forwards.

    Every listener has a default rule (AWS: ELB user guide, listener rules).
    """
    listed = [rule for rule in rules if rule.protocol in _HTTP]
    forwarding = {rule.listener for rule in listed if rule.target_groups}
    usable = sorted((rule.listener not in forwarding, rule.port, rule.listener) for rule in listed)
    return usable[0][2] if usable else ""


def shadow_check(own: HealthCheck, path: str) -> HealthCheck:
    """The shadow's health check, from that of the service's own target group: on another path, and brisk.

    The timeout is to be shorter than the interval (AWS: ELB user guide, target group health checks).
    """
    interval = min(max(own.interval, SHORTEST_INTERVAL), LONGEST_INTERVAL)
    return replace(
        own,
        path=path,
        matcher=MATCHER,
        interval=interval,
        timeout=max(min(own.timeout, interval - 1), SHORTEST_TIMEOUT),
        healthy_threshold=THRESHOLD,
        unhealthy_threshold=THRESHOLD,
    )


def tells_of(own: HealthCheck, path: str) -> bool:
    """Whether a service's own target group asks just what a shadow would, so that there is no need of one."""
    return own.path == path and own.matcher == MATCHER


def answer_of(target: Target) -> Answer | None:
    """What the target answered to the load balancer; None when that is not known, or nothing answered.

    A healthy one fits the matcher; one that does not is described by its codes (AWS: ELB user guide, health check
    reason codes: "Health checks failed with these codes: [code]").
    """
    if target.status == "healthy":
        return Answer(status=int(MATCHER), body=None, seconds=0.0)
    codes = _CODES.search(target.description)
    if target.status == "unhealthy" and target.reason == "Target.ResponseCodeMismatch" and codes:
        return Answer(status=int(codes[1].split(",")[-1]), body=None, seconds=0.0)
    return None


def doubt_of(target: Target) -> str:
    """Why it is not known what the target answers."""
    why = target.description or target.reason
    return f"is {target.status} for the load balancer" + (f": {why}" if why else "")
