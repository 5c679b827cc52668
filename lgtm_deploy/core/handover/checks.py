"""How soon do a load balancer's checks change their mind about a target?

Every target is checked once an interval, at a moment of its own: the checks of two targets have independent phases.
"""

from dataclasses import dataclass, field, replace

from lgtm_deploy.core.ports import HealthCheck

# AWS: ELB API reference, CreateTargetGroup, UnhealthyThresholdCount: 2 to 10.
LARGEST_THRESHOLD = 10
# Two targets' checks may drift apart by up to two checks: with that much between the thresholds, the new target is
# healthy first whatever the phases are.
SAFE_LEAD = 2
TIGHT_LEAD = 1


@dataclass(frozen=True, kw_only=True)
class Span:
    """When something happens: not before `earliest`, not after `latest`, in seconds. `likely` is what to bet on."""

    earliest: float
    latest: float
    likely: float = field(compare=False)

    def after(self, other: "Span") -> "Span":
        """This span, counted from the end of another one."""
        return Span(
            earliest=self.earliest + other.earliest,
            latest=self.latest + other.latest,
            likely=self.likely + other.likely,
        )

    def later_than(self, seconds: float) -> "Span":
        """This span, but nothing of it before `seconds`."""
        return Span(
            earliest=max(self.earliest, seconds), latest=max(self.latest, seconds), likely=max(self.likely, seconds)
        )


def after(seconds: float) -> Span:
    """Exactly so many seconds."""
    return Span(earliest=seconds, latest=seconds, likely=seconds)


def between(earliest: float, latest: float) -> Span:
    """Any moment of these is as likely as another."""
    return Span(earliest=earliest, latest=latest, likely=(earliest + latest) / 2)


def until_unhealthy(check: HealthCheck, *, registered: bool = False) -> Span:
    """How long a target that fails from now on still counts as healthy, or as initial; `registered`: it is a new one,
    which is checked at once as a rule."""
    return _checks(check, check.unhealthy_threshold, at_once=registered)


def until_healthy(check: HealthCheck, *, marked: bool) -> Span:
    """How long a target that passes from now on does not count as healthy yet.

    A newly registered target needs one pass; one that was `marked` unhealthy needs the whole healthy threshold (AWS:
    ELB user guide, health checks).
    """
    return _checks(check, check.healthy_threshold if marked else 1)


def _checks(check: HealthCheck, count: int, *, at_once: bool = False) -> Span:
    found = between((count - 1) * check.interval, count * check.interval)
    return replace(found, likely=found.earliest) if at_once else found


def longest_gap(check: HealthCheck) -> float:
    """For how many seconds there may be no healthy target when the old targets begin to fail at the moment at which
    new ones, which are marked unhealthy, begin to pass: the new ones are checked last, the old ones first."""
    return max(0, check.healthy_threshold - check.unhealthy_threshold + 1) * float(check.interval)


def lead(check: HealthCheck) -> int:
    """By how many checks the healthy threshold comes before the unhealthy one: 2 or more is safe, 1 leaves nothing for
    a check that comes late, less leaves a gap."""
    return check.unhealthy_threshold - check.healthy_threshold
