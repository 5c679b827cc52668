"""In which sequences can one service's health check move without a gap?"""

from collections.abc import Iterator
from dataclasses import dataclass

from lgtm_deploy.core.contract import Reply
from lgtm_deploy.core.handover.causes import cause_under_prefix
from lgtm_deploy.core.handover.checks import LARGEST_THRESHOLD, SAFE_LEAD, TIGHT_LEAD, lead, longest_gap
from lgtm_deploy.core.handover.facts import Facts
from lgtm_deploy.core.handover.hold import kills_before_ready
from lgtm_deploy.core.matcher import matches
from lgtm_deploy.core.plan import StrategyName

OK = 200


@dataclass(frozen=True, kw_only=True)
class Way:
    """A sequence that leaves no moment without a healthy target, and why.

    `hold`: the grace period must be held. `unhealthy_threshold` is what it must be raised to for the window, and
    `matcher` what to check the new path with for so long; 0 and empty: as it is. `caution` is what a person should
    know.
    """

    sequence: StrategyName
    because: str
    hold: bool = False
    unhealthy_threshold: int = 0
    matcher: str = ""
    caution: str = ""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """No sequence, or not this one: what keeps it from being safe, and what to do about it."""

    reason: str
    resolution: str = ""

    def __str__(self) -> str:
        """One line."""
        return f"{self.reason} {self.resolution}".rstrip()


def never(facts: Facts) -> Refusal | None:
    """Why no sequence at all can work, or None."""
    name, check = facts.service.name, facts.check
    if facts.tried and not facts.new_on_new.healthy:
        return _unhealthy(facts)
    if facts.desired and facts.abreast < 1:
        return Refusal(
            reason=f"{name}: ECS may run {facts.desired} task(s) at {facts.minimum_percent}-{facts.maximum_percent} %: "
            "it can neither start a new task nor stop an old one.",
            resolution="Raise the service's maximum percent to 200.",
        )
    if facts.moves and facts.desired and facts.kept < 1:
        return Refusal(
            reason=f"{name}: its minimum healthy percent is 0: ECS may stop every old task before {check.path} moves.",
            resolution="Set it to 100.",
        )
    return None


def ways(facts: Facts) -> Iterator[Way | Refusal]:
    """The sequences, the simplest first, or what is wrong with each; only once `never` has nothing to say."""
    slow = kills_before_ready(facts.check, ready_seconds=facts.ready_seconds, grace_period=facts.grace_period)
    if not facts.moves:
        yield Way(sequence="direct", because="the health check stays where it is", hold=slow)
        return
    if facts.desired == 0:
        yield Way(sequence="direct", because="no task runs")
        return
    if facts.tried:
        yield from _by_images(facts, hold=slow)
    yield _grace_hold(facts)


def _by_images(facts: Facts, *, hold: bool) -> Iterator[Way | Refusal]:
    """The sequences that one of the images makes possible by answering on the other's path."""
    old, new = facts.contract.old_path, facts.contract.new_path
    if facts.new_passes_old:
        yield Way(sequence="direct", because=f"the new image passes on {old} too", hold=hold)
    if facts.old_passes_new:
        yield Way(sequence="check-first", because=f"today's image passes on {new} too", hold=hold)
    elif facts.steady_code:
        yield _expand_contract(facts, hold=hold)


def _expand_contract(facts: Facts, *, hold: bool) -> Way | Refusal:
    name, code = facts.service.name, facts.steady_code
    if not facts.service.health.matcher_variable:
        return Refusal(
            reason=f"{name}: matcher-widening needs a Terraform variable for the matcher.",
            resolution=f"Name it as services.{name}.health.matcher_variable in the stack file.",
        )
    matcher = facts.check.matcher if matches(facts.check.matcher, code) else f"{facts.check.matcher},{code}"
    return Way(
        sequence="matcher-widening",
        because=f"today's image answers {code} on {facts.contract.new_path}: matcher {matcher} until it is gone",
        hold=hold,
        matcher=matcher,
    )


def _grace_hold(facts: Facts) -> Way | Refusal:
    name, check = facts.service.name, facts.check
    if facts.abreast < facts.desired:
        return Refusal(
            reason=f"{name}: grace-hold needs all {facts.desired} new tasks beside the old ones, and ECS may start "
            f"only {facts.abreast} at {facts.minimum_percent}-{facts.maximum_percent} %.",
            resolution="Raise the service's maximum percent to 200.",
        )
    because = "neither image passes on the other's path"
    if not facts.tried:
        because = f"the new image was not tried ({facts.contract.skipped}) and may answer on its own path only"
    if lead(check) >= SAFE_LEAD:
        return Way(sequence="grace-hold", because=because, hold=True)
    wanted = check.healthy_threshold + SAFE_LEAD
    numbers = f"thresholds {check.healthy_threshold} healthy, {check.unhealthy_threshold} unhealthy"
    if facts.service.health.unhealthy_threshold_variable and wanted <= LARGEST_THRESHOLD:
        return Way(sequence="grace-hold", because=because, hold=True, unhealthy_threshold=wanted)
    if lead(check) == TIGHT_LEAD:
        return Way(sequence="grace-hold", because=because, hold=True, caution=f"{numbers}: tight, no check may be late")
    return Refusal(
        reason=f"{name}: grace-hold may leave no healthy target for {longest_gap(check):g} s: {numbers}, interval "
        f"{check.interval} s; unhealthy must be {wanted} or more"
        + (f", and AWS takes {LARGEST_THRESHOLD} at most." if wanted > LARGEST_THRESHOLD else "."),
        resolution="Lower the healthy threshold."
        if wanted > LARGEST_THRESHOLD
        else f"Raise it, or name its Terraform variable as services.{name}.health.unhealthy_threshold_variable.",
    )


def _unhealthy(facts: Facts) -> Refusal:
    contract, reply = facts.contract, facts.new_on_new
    cause = cause_under_prefix(facts.service, contract.new.replies)
    return Refusal(
        reason=f"{facts.service.name}: the new image {spell(reply)} on {contract.new_path}, where its health will be "
        f"checked{'' if cause else ': no sequence can work'}" + (f": {cause}" if cause else "."),
        resolution="" if cause else "Look at its configuration: which paths does it serve?",
    )


def spell(reply: Reply) -> str:
    """What was answered, in a few words, such as `answers 404 '404 page not found'`."""
    if not reply.status:
        return "does not answer"
    body = " ".join(reply.body.split())[:40]
    wrong = " without the body that the stack file asks for" if reply.status == OK and not reply.healthy else ""
    return f"answers {reply.status}{wrong}" + (f" '{body}'" if body else "")
