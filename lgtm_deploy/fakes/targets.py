"""How a load balancer checks its targets."""

from dataclasses import dataclass, field, replace
from typing import Protocol

from lgtm_deploy.core.matcher import matches
from lgtm_deploy.core.ports import HealthCheck, Target, TargetGroup, TargetStatus

FIVE_SECONDS = HealthCheck(
    path="/ready", matcher="200", interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=4
)


class Answering(Protocol):
    """Something with an address that answers."""

    @property
    def address(self) -> str:
        """Where it is."""

    def ask(self, path: str, now: float) -> tuple[int, str] | None:
        """Status and body, or None when nothing answers."""


@dataclass(kw_only=True)
class FakeTarget:
    """A registered target and the run of its checks."""

    what: Answering
    port: int
    next_check: float
    status: TargetStatus = "initial"
    reason: str = "Elb.RegistrationInProgress"
    description: str = "Target registration is in progress"
    passes: int = 0
    fails: int = 0

    def check(self, health: HealthCheck, now: float) -> None:
        """One check. A newly registered target needs one pass (AWS: ELB user guide, health checks); a target that has
        been unhealthy needs the whole healthy threshold."""
        got = self.what.ask(health.path, now)
        if got and matches(health.matcher, got[0]):
            self.passes, self.fails = self.passes + 1, 0
            if self.status == "initial" or self.passes >= health.healthy_threshold:
                self.status, self.reason, self.description = "healthy", "", ""
            return
        self.passes, self.fails = 0, self.fails + 1
        if self.fails >= health.unhealthy_threshold:
            self.status = "unhealthy"
            self.reason = "Target.ResponseCodeMismatch" if got else "Target.FailedHealthChecks"
            self.description = f"Health checks failed with these codes: [{got[0]}]" if got else "Health checks failed"


@dataclass(kw_only=True)
class FakeTargetGroup:
    """A target group. Its health check may be changed at any time, as AWS allows it in place."""

    name: str
    account: str
    health_check: HealthCheck = FIVE_SECONDS
    deregistration_delay: int = 5
    check_port: int = 0
    checks_http: bool = True
    target_type: str = "ip"
    targets: dict[str, FakeTarget] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:elasticloadbalancing:eu-west-1:{self.account}:targetgroup/{self.name}/0123456789abcdef"

    def described(self) -> TargetGroup:
        """As the port describes it."""
        return TargetGroup(
            arn=self.arn,
            name=self.name,
            health_check=self.health_check,
            deregistration_delay=self.deregistration_delay,
            check_port=self.check_port,
            checks_http=self.checks_http,
            target_type=self.target_type,
        )

    def shown(self) -> list[Target]:
        """Its targets as the port describes them."""
        return [
            Target(
                address=address,
                port=target.port,
                status=target.status,
                reason=target.reason,
                description=target.description,
            )
            for address, target in self.targets.items()
        ]

    def register(self, what: Answering, port: int, now: float) -> None:
        """Adds a target; it is checked at once and then every interval."""
        self.targets[what.address] = FakeTarget(what=what, port=port, next_check=now)

    def drain(self, address: str) -> None:
        """Sends it no new requests and checks it no more."""
        if address in self.targets:
            target = self.targets[address]
            target.status, target.reason = "draining", "Target.DeregistrationInProgress"
            target.description = "Target deregistration is in progress"

    def forget(self, address: str) -> None:
        """Removes a target."""
        self.targets.pop(address, None)

    def tick(self, now: float) -> None:
        """Makes the checks that are due."""
        for target in self.targets.values():
            if target.status != "draining" and now >= target.next_check:
                target.check(self.health_check, now)
                target.next_check = now + self.health_check.interval

    def status_of(self, address: str) -> TargetStatus:
        """The target's status; `unused` when it is not registered."""
        return self.targets[address].status if address in self.targets else "unused"


def replace_path(health: HealthCheck, path: str) -> HealthCheck:
    """The same health check on another path."""
    return replace(health, path=path)
