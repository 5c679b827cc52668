"""What does one health check say about a target, and what state follows from it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """A target group's health check; times in seconds."""

    path: str
    port: int | None
    matcher: str
    interval: float
    timeout: float
    healthy_threshold: int
    unhealthy_threshold: int

    @classmethod
    def of(cls, target_group: dict[str, Any]) -> HealthCheck:
        """Parse a MiniStack target group."""
        port = str(target_group.get("HealthCheckPort", "traffic-port"))
        return cls(
            path=target_group.get("HealthCheckPath") or "/",
            port=None if port == "traffic-port" else int(port),
            matcher=str((target_group.get("Matcher") or {}).get("HttpCode") or "200"),
            interval=float(target_group.get("HealthCheckIntervalSeconds", 30)),
            timeout=float(target_group.get("HealthCheckTimeoutSeconds", 5)),
            healthy_threshold=int(target_group.get("HealthyThresholdCount", 5)),
            unhealthy_threshold=int(target_group.get("UnhealthyThresholdCount", 2)),
        )


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One check of one target; reason and description are AWS's words where it failed."""

    passed: bool
    reason: str | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class TargetHealth:
    """A target's state with its consecutive passes and failures."""

    state: str
    reason: str | None = None
    description: str | None = None
    passes: int = 0
    failures: int = 0


# AWS: "Target health status" and "Health check reason codes",
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
REGISTERED = TargetHealth(
    state="initial",
    reason="Elb.RegistrationInProgress",
    description="Target registration is in progress",
)
CHECKING = TargetHealth(
    state="initial",
    reason="Elb.InitialHealthChecking",
    description="Initial health checks in progress",
)
UNUSED = TargetHealth(
    state="unused",
    reason="Target.NotInUse",
    description="Target group is not configured to receive traffic from the load balancer",
)
DRAINING = TargetHealth(
    state="draining",
    reason="Target.DeregistrationInProgress",
    description="Target deregistration is in progress",
)
NOT_REGISTERED = TargetHealth(
    state="unused",
    reason="Target.NotRegistered",
    description="Target is not registered to the target group",
)


def matches(matcher: str, status: int) -> bool:
    """Say whether an HTTP status fits a matcher such as ``200``, ``200,404`` or ``200-299``."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if low and int(low) <= status <= int(high or low):
            return True
    return False


def judge_status(check: HealthCheck, status: int) -> CheckResult:
    """Judge an answered check by its status code."""
    if matches(check.matcher, status):
        return CheckResult(passed=True)
    return CheckResult(
        passed=False,
        reason="Target.ResponseCodeMismatch",
        description=f"Health checks failed with these codes: [{status}]",
    )


def after(before: TargetHealth, result: CheckResult, check: HealthCheck) -> TargetHealth:
    """The target's health after one more check.

    A new target needs one pass, whatever the healthy threshold says: "After your target is registered, it must
    pass one health check to be considered healthy" (AWS, target-group-health-checks).
    """
    passes = before.passes + 1 if result.passed else 0
    failures = 0 if result.passed else before.failures + 1
    counted = replace(before, passes=passes, failures=failures)
    if result.passed:
        needed = 1 if before.state == "initial" else check.healthy_threshold
        if before.state != "healthy" and passes >= needed:
            return TargetHealth(state="healthy", passes=passes)
        return counted
    if failures >= check.unhealthy_threshold:
        return TargetHealth(state="unhealthy", reason=result.reason, description=result.description, failures=failures)
    return counted
