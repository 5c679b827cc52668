"""How soon do a load balancer's checks change their mind about a target?

Every target is checked once an interval, at a moment of its own: the checks of two targets have independent phases.
"""

from dataclasses import dataclass

from lgtm_deploy.core.ports import HealthCheck

# AWS: ELB API reference, CreateTargetGroup, UnhealthyThresholdCount: 2 to 10.
LARGEST_THRESHOLD = 10
# Two targets' checks may drift apart by up to two checks: with that much between the thresholds, the new target is
# healthy first whatever the phases are.
SAFE_LEAD = 2
TIGHT_LEAD = 1


@dataclass(frozen=True, kw_only=True)
class Span:
    """When something happens: not before `earliest`, not after `latest`, in seconds; infinite: it never does."""

    earliest: float
    latest: float

    @property
    def middle(self) -> float:
        """What one would bet on."""
        return (self.earliest + self.latest) / 2

    def after(self, other: "Span") -> "Span":
        """This span, counted from another one."""
        return Span(earliest=self.earliest + other.earliest, latest=self.latest + other.latest)

    def later_than(self, seconds: float) -> "Span":
        """This span, but nothing of it before `seconds`."""
        return Span(earliest=max(self.earliest, seconds), latest=max(self.latest, seconds))


def after(seconds: float) -> Span:
    """Exactly so many seconds."""
    return Span(earliest=seconds, latest=seconds)


def until_unhealthy(check: HealthCheck) -> Span:
    """How long a target that fails from now on still counts as healthy, or as initial."""
    return Span(
        earliest=(check.unhealthy_threshold - 1) * check.interval, latest=check.unhealthy_threshold * check.interval
    )


def until_healthy(check: HealthCheck, *, marked: bool) -> Span:
    """How long a target that passes from now on does not count as healthy yet.

    A newly registered target needs one pass; one that was `marked` unhealthy needs the whole healthy threshold (AWS:
    ELB user guide, health checks).
    """
    passes = check.healthy_threshold if marked else 1
    return Span(earliest=(passes - 1) * check.interval, latest=passes * check.interval)


def longest_gap(check: HealthCheck) -> float:
    """For how many seconds there may be no healthy target when the old targets begin to fail at the moment at which
    new ones, which are marked unhealthy, begin to pass: the new ones are checked last, the old ones first."""
    return max(0, check.healthy_threshold - check.unhealthy_threshold + 1) * float(check.interval)


def lead(check: HealthCheck) -> int:
    """By how many checks the healthy threshold comes before the unhealthy one: 2 or more is safe, 1 leaves nothing for
    a check that comes late, less leaves a gap."""
    return check.unhealthy_threshold - check.healthy_threshold
