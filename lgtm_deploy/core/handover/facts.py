"""What the handover of one service depends on."""

from dataclasses import dataclass
from math import ceil

from lgtm_deploy.core.contract import Contract, Reply
from lgtm_deploy.core.matcher import matches
from lgtm_deploy.core.ports import HealthCheck
from lgtm_deploy.core.stack import Service

# AWS: ELB API reference, Matcher, HttpCode: an Application Load Balancer takes 200 to 499.
_MATCHABLE = range(200, 500)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A service, its target group's health check as it is now, its numbers in ECS, and what its images answer.

    Times are in seconds. `oldest_age` is that of the oldest running task; `start_seconds` is how long a task takes from
    its creation to its start.
    """

    service: Service
    contract: Contract
    check: HealthCheck
    desired: int
    grace_period: int = 0
    minimum_percent: int = 100
    maximum_percent: int = 200
    breaker: bool = True
    deregistration_delay: int = 0
    oldest_age: float = 0.0
    start_seconds: float = 0.0

    @property
    def moves(self) -> bool:
        """Whether the health check gets another path."""
        return self.contract.old_path != self.contract.new_path

    @property
    def tried(self) -> bool:
        """Whether the new image was tried out."""
        return not self.contract.skipped

    @property
    def new_on_new(self) -> Reply:
        """The new image on the new path."""
        return self.contract.new.on(self.contract.new_path)

    @property
    def new_passes_old(self) -> bool:
        """Whether the new image is healthy on the path that is checked now."""
        return self.contract.new.on(self.contract.old_path).healthy

    @property
    def old_passes_new(self) -> bool:
        """Whether the load balancer would call the old image healthy on the new path; it looks at the code alone."""
        reply = self.contract.old.on(self.contract.new_path)
        return reply.healthy or matches(self.check.matcher, reply.status)

    @property
    def steady_code(self) -> int:
        """What the old image answers on the new path, if a matcher can have it; else 0. A code from 500 on, or no
        answer, says that something is wrong, and may be another one the next time."""
        status = self.contract.old.on(self.contract.new_path).status
        return status if status in _MATCHABLE else 0

    @property
    def kept(self) -> int:
        """So many healthy tasks ECS leaves running while it deploys (AWS: minimumHealthyPercent is rounded up)."""
        return ceil(self.desired * self.minimum_percent / 100)

    @property
    def abreast(self) -> int:
        """So many new tasks can run before any of them is healthy (AWS: maximumPercent is rounded down)."""
        return min(self.desired, self.desired * self.maximum_percent // 100 - self.kept)

    @property
    def ready_seconds(self) -> float:
        """How long the new image takes to become ready; 0 where that is not known."""
        return max(0.0, self.contract.new.ready_seconds)
