"""Which sequence is taken for all services behind one Terraform root? One flip moves all their health checks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lgtm_deploy.core.handover.facts import Facts
from lgtm_deploy.core.handover.hold import HANDOVER_WINDOW
from lgtm_deploy.core.handover.ways import Refusal, Way, never, ways
from lgtm_deploy.core.plan import StrategyName

NONE = "none"
# What fits together behind one flip: images before it, or after it. The stronger of the two sequences stands for both.
IMAGES_FIRST: tuple[StrategyName, ...] = ("direct", "grace-hold")
FLIP_FIRST: tuple[StrategyName, ...] = ("check-first", "matcher-widening")
ALL: tuple[StrategyName, ...] = ("direct", "check-first", "matcher-widening", "grace-hold")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The sequence for all (`none`: no health check moves), and the way of each service that is handed over.

    `windows` are the seconds for which a service's grace period must be held, 0: it need not be. `variables` are the
    Terraform variables to plan the flip with, and to leave out again afterwards.
    """

    sequence: str
    ways: Mapping[str, Way] = field(default_factory=dict)
    windows: Mapping[str, int] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def sequences(self) -> Mapping[str, str]:
        """Each service's own sequence; one that is not handed over has none."""
        return {name: self.ways[name].sequence if name in self.ways else NONE for name in self.windows}


def decide(services: Sequence[Facts], *, allow: Collection[str]) -> Decision | tuple[Refusal, ...]:
    """The sequence that fits every service, or every reason why there is none."""
    handed = [facts for facts in services if is_handed_over(facts)]
    refused = [refusal for facts in handed if (refusal := never(facts))]
    found = {facts.service.name: tuple(ways(facts)) for facts in handed if not never(facts)}
    permitted = {
        name: [way for way in each if isinstance(way, Way) and _permits(allow, way, name, services)]
        for name, each in found.items()
    }
    refused += [_none_left(name, found[name], allow) for name, each in permitted.items() if not each]
    if refused:
        return tuple(refused)
    moving = [facts.service.name for facts in handed if facts.moves]
    chosen = _together(permitted, moving)
    if isinstance(chosen, Refusal):
        return (chosen,)
    return Decision(
        sequence=_joint(services, chosen, moving),
        ways=chosen,
        windows={facts.service.name: _window(facts, chosen.get(facts.service.name)) for facts in services},
        variables=_variables(handed, chosen),
    )


def is_handed_over(facts: Facts) -> bool:
    """Whether there is a handover at all: not when the new image runs already. One that the stack file says not to try
    out is handed over all the same, and nothing good is taken for granted of it."""
    return facts.tried or facts.contract.skipped == facts.service.rehearsal.skip


def _permits(allow: Collection[str], way: Way, name: str, services: Sequence[Facts]) -> bool:
    """A plan permits sequences in which a health check moves; where none does, there is nothing to permit."""
    return way.sequence in allow or not any(facts.moves for facts in services if facts.service.name == name)


def _together(permitted: Mapping[str, list[Way]], moving: Sequence[str]) -> Mapping[str, Way] | Refusal:
    """The first way of each service that fits the flip of the others; one whose check stays fits any."""
    first = permitted[moving[0]][0].sequence if moving else "direct"
    families = (IMAGES_FIRST, FLIP_FIRST) if first in IMAGES_FIRST else (FLIP_FIRST, IMAGES_FIRST)
    for family in families:
        chosen = {
            name: next((way for way in each if way.sequence in family or name not in moving), None)
            for name, each in permitted.items()
        }
        fitting = {name: way for name, way in chosen.items() if way}
        if len(fitting) == len(chosen):
            return fitting
    can = "; ".join(f"{name} only {' or '.join(way.sequence for way in permitted[name])}" for name in moving)
    return Refusal(
        reason=f"One Terraform root moves these health checks at once, and no order fits all: {can}.",
        resolution="Move them in runs of their own.",
    )


def _none_left(name: str, found: Sequence[Way | Refusal], allow: Collection[str]) -> Refusal:
    """Why a service has no way that is permitted: one would be safe, or what keeps those from being so that are."""
    safe = [way for way in found if isinstance(way, Way)]
    if not safe:
        reasons = [each for each in found if isinstance(each, Refusal)]
        return Refusal(reason=" ".join(each.reason for each in reasons), resolution=reasons[-1].resolution)
    others = "".join(f" {each.reason.removeprefix(f'{name}: ')}" for each in found if isinstance(each, Refusal))
    named = " or ".join(way.sequence for way in safe)
    return Refusal(
        reason=f"{name}: only {named} is safe, because {safe[0].because}, and the plan permits "
        f"{', '.join(allow) or 'nothing'}.{others}",
        resolution=f"Add {safe[0].sequence} to the plan's `strategies`.",
    )


def _joint(services: Sequence[Facts], chosen: Mapping[str, Way], moving: Sequence[str]) -> str:
    if not any(facts.moves for facts in services):
        return NONE
    used = {chosen[name].sequence for name in moving}
    # Where every image that is to run runs already, all that is left is the flip.
    return next((each for each in reversed(ALL) if each in used), "direct")


def _window(facts: Facts, way: Way | None) -> int:
    if way is None or not way.hold:
        return 0
    return HANDOVER_WINDOW + int(facts.ready_seconds)


def _variables(services: Sequence[Facts], chosen: Mapping[str, Way]) -> dict[str, str]:
    found: dict[str, str] = {}
    for facts in services:
        health, way = facts.service.health, chosen[facts.service.name]
        if way.unhealthy_threshold:
            # Services may share the variable: the largest of what they need does for all.
            others = int(found.get(health.unhealthy_threshold_variable, 0))
            found[health.unhealthy_threshold_variable] = str(max(way.unhealthy_threshold, others))
        if way.matcher and way.matcher != facts.check.matcher:
            found[health.matcher_variable] = way.matcher
    return found
