"""What happens when, in a sequence and in the orders that one might use instead?"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import Literal

from lgtm_deploy.core.handover.checks import Span, after, between, longest_gap, until_healthy, until_unhealthy
from lgtm_deploy.core.handover.facts import Facts
from lgtm_deploy.core.handover.ways import Way
from lgtm_deploy.core.plan import StrategyName

Order = StrategyName | Literal["images-first", "flip-before-images"]
# AWS: ECS developer guide, "How the circuit breaker works": half of the desired count, but between 3 and 200.
BREAKER_LEAST, BREAKER_MOST = 3, 200
# How long after new tasks are ready the flip is there: Terraform's apply of a saved plan, measured in the sandbox.
FLIP_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of tasks that fail their check: when the first and the last of them may be marked unhealthy, and
    when ECS stops them (None: it is held back, or needs not). `failures` is the breaker's count after them."""

    image: Literal["old", "new"]
    tasks: int
    marked: Span
    killed: Span | None = None
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """How an order goes, in seconds `since` the first new task was started (deploy) or the health check moved (flip).

    `tripped` is when the circuit breaker trips; None: it does not. `without_health` is the longest time without a
    healthy target, infinite where only another deployment ends it. `complete` is when the deployment is; None: never.
    What ECS waits between restarts, which AWS does not say, is not in it.
    """

    order: Order
    since: Literal["deploy", "flip"]
    fates: tuple[Fate, ...] = ()
    tripped: Span | None = None
    without_health: float = 0.0
    complete: Span | None = None


def breaker_threshold(desired: int) -> int:
    """So many failed tasks trip the circuit breaker."""
    return min(max(ceil(desired / 2), BREAKER_LEAST), BREAKER_MOST)


def predict(facts: Facts, way: Way, *, flip_after: float | None = None) -> Prediction:
    """How the sequence goes; `flip_after` is how many seconds after the first new task started the health check
    moves."""
    if flip_after is None:
        flip_after = facts.ready_seconds + FLIP_SECONDS
    if way.unhealthy_threshold:
        raised = replace(facts.check, unhealthy_threshold=way.unhealthy_threshold)
        return _held(replace(facts, check=raised), flip_after, before=facts)
    if way.sequence == "grace-hold":
        return _held(facts, flip_after, before=facts)
    return _rolling(facts, way)


def images_first(facts: Facts) -> Prediction:
    """The new image, and the flip once its deployment has settled, with the grace period as it is.

    New tasks fail the old check and are replaced until the breaker trips; what is left then are old tasks, which fail
    the new check.
    """
    fates = tuple(_failing_rounds(facts))
    tripping = [fate for fate in fates if fate.failures >= breaker_threshold(facts.desired)]
    return Prediction(
        order="images-first",
        since="deploy",
        fates=fates,
        tripped=tripping[0].killed if tripping and facts.breaker else None,
        without_health=inf,
    )


def flip_before_images(facts: Facts) -> Prediction:
    """The flip, and then nothing until somebody deploys the new image: old tasks fail the new check, are stopped, and
    replaced by others that fail it. No deployment is under way, so no breaker counts."""
    marked = until_unhealthy(facts.check)
    first = marked.later_than(facts.grace_period - facts.oldest_age)
    start = after(facts.start_seconds)
    again = until_unhealthy(facts.check, registered=True)
    second = again.after(start).after(first)
    killed = again.later_than(facts.grace_period).after(start).after(first)
    return Prediction(
        order="flip-before-images",
        since="flip",
        fates=(
            Fate(image="old", tasks=facts.desired, marked=marked, killed=first),
            Fate(image="old", tasks=facts.desired, marked=second, killed=killed),
        ),
        without_health=inf,
    )


def _failing_rounds(facts: Facts) -> Iterator[Fate]:
    """New tasks that never pass: each is stopped when it is marked and its grace period is over, and replaced."""
    marked = until_unhealthy(facts.check, registered=True)
    killed = marked.later_than(facts.grace_period)
    begun, failures, tasks = after(0.0), 0, max(1, facts.abreast)
    while failures < breaker_threshold(facts.desired):
        failures += tasks
        yield Fate(
            image="new",
            tasks=tasks,
            marked=marked.after(begun),
            killed=killed.after(begun),
            failures=failures,
        )
        begun = killed.after(begun).after(after(facts.start_seconds))


def _held(facts: Facts, flip_after: float, *, before: Facts) -> Prediction:
    """New tasks fail the old check until the flip, then pass; old ones fail from then on; ECS stops neither."""
    to_be_marked = until_unhealthy(before.check)
    marked = until_healthy(facts.check, marked=True)
    unmarked = until_healthy(facts.check, marked=False)
    if flip_after >= to_be_marked.latest:
        healthy = marked
    elif flip_after < to_be_marked.earliest:
        healthy = unmarked
    else:
        healthy = between(unmarked.earliest, marked.latest)
    old = Fate(image="old", tasks=facts.desired, marked=until_unhealthy(facts.check))
    return Prediction(
        order="grace-hold",
        since="flip",
        fates=(old,),
        without_health=longest_gap(facts.check),
        complete=healthy.after(after(facts.deregistration_delay)),
    )


def _rolling(facts: Facts, way: Way) -> Prediction:
    """An ordinary deployment: new tasks pass as soon as they are ready, then old ones drain; what cannot start at once
    starts when there is room."""
    turns = ceil(facts.desired / facts.abreast) if facts.abreast > 0 else 1
    ready = after(facts.ready_seconds)
    healthy = until_healthy(facts.check, marked=False)
    if facts.ready_seconds > until_unhealthy(facts.check).earliest:
        healthy = between(healthy.earliest, until_healthy(facts.check, marked=True).latest)
    turn = healthy.after(ready).after(after(facts.deregistration_delay))
    complete = turn
    for _ in range(turns - 1):
        complete = turn.after(after(facts.start_seconds)).after(complete)
    return Prediction(order=way.sequence, since="deploy", complete=complete)
