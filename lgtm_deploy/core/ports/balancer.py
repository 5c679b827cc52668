"""The load balancer and its targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """How a target group checks its targets. Interval and timeout are in seconds."""

    path: str
    matcher: str
    interval: int
    timeout: int
    healthy_threshold: int
    unhealthy_threshold: int


@dataclass(frozen=True, kw_only=True)
class TargetGroup:
    """A target group and its health check. `deregistration_delay` is in seconds.

    `check_port` is where its checks ask, 0: where each target is registered (AWS: HealthCheckPort, traffic-port).
    `checks_http`: they ask for an HTTP code, and not for a connection or a gRPC code. `target_type` is what it
    registers: `ip`, `instance`, `lambda` or `alb`.
    """

    arn: str
    name: str
    health_check: HealthCheck
    deregistration_delay: int
    check_port: int = 0
    checks_http: bool = True
    target_type: str = "ip"


TargetStatus = Literal["initial", "healthy", "unhealthy", "draining", "unused", "unavailable"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A registered target. `reason` is AWS's code, `description` its sentence."""

    address: str
    port: int
    status: TargetStatus
    reason: str = ""
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class ListenerRule:
    """One rule of a listener. `priority` is None for the rule that takes what no other took.

    `paths` are patterns: `*` is any text, `?` any one character, upper and lower case differ (AWS: ELB user guide, path
    conditions); empty: any path. `conditional` says that it asks for more than a path that is such a pattern (a host, a
    header, a regular expression), `rewrites` that it changes the path (AWS: RuleTransform url-rewrite).
    `target_groups` are the ARNs of those that it forwards to, by weight or not.
    """

    listener: str
    port: int
    protocol: str
    priority: int | None
    paths: tuple[str, ...] = ()
    target_groups: tuple[str, ...] = ()
    conditional: bool = False
    rewrites: bool = False


class Balancer(Protocol):
    """Spreads requests over targets and checks their health."""

    def target_group(self, name: str) -> TargetGroup:
        """The target group of that name. Raises NotFoundError."""

    def targets(self, arn: str) -> Sequence[Target]:
        """The targets of the group with that ARN, as checked now."""

    def address(self, name: str) -> str:
        """The URL of the load balancer of that name. Raises NotFoundError."""

    def rules(self, load_balancer: str) -> Sequence[ListenerRule]:
        """The rules of all listeners of the load balancer of that name, each listener's in the order in which they are
        tried. Raises NotFoundError."""

    def set_health_check(self, arn: str, check: HealthCheck) -> None:
        """Lets the target group with that ARN check so from now on. It is whoever manages the group otherwise that has
        to be told. Raises NotFoundError."""
