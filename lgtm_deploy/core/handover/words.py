"""What a person is told of a handover: the matrix, the sequence and why, and how it goes; in short lines."""

from collections.abc import Iterator, Sequence

from lgtm_deploy.core.contract import Reply, Trial
from lgtm_deploy.core.handover.checks import Span
from lgtm_deploy.core.handover.decision import Decision
from lgtm_deploy.core.handover.facts import Facts
from lgtm_deploy.core.handover.timeline import Prediction, flip_before_images, images_first, predict
from lgtm_deploy.core.handover.ways import OK, Way


def told(services: Sequence[Facts], decision: Decision) -> tuple[str, ...]:
    """All services, one after the other."""
    return tuple(line for facts in services for line in _service(facts, decision.ways.get(facts.service.name)))


def _service(facts: Facts, way: Way | None) -> Iterator[str]:
    name = facts.service.name
    if way is None:
        yield f"{name}: nothing to hand over: {facts.contract.skipped}"
        return
    if facts.tried and facts.moves:
        yield f"{name} runs now: {_answers(facts, facts.contract.old)}"
        yield f"{name} new image: {_answers(facts, facts.contract.new)}"
    yield f"{name} sequence: {way.sequence}, because {way.because}"
    yield from (f"{name} {line}" for line in (*_measures(facts, way), *_outlook(facts, way)))


def _answers(facts: Facts, trial: Trial) -> str:
    return ", ".join(_cell(trial.on(path)) for path in (facts.contract.old_path, facts.contract.new_path))


def _cell(reply: Reply) -> str:
    if not reply.status:
        return f"{reply.path} no answer"
    wrong_body = reply.status == OK and not reply.healthy
    return f"{reply.path} {reply.status}{' healthy' if reply.healthy else ' with another body' if wrong_body else ''}"


def _measures(facts: Facts, way: Way) -> Iterator[str]:
    """What is done for the window, and what is left to luck."""
    if way.unhealthy_threshold:
        now = facts.check.unhealthy_threshold
        yield f"unhealthy threshold: {now} -> {way.unhealthy_threshold} for the window, then {now} again"
    if way.hold and way.sequence != "grace-hold":
        yield f"grace period: held, new tasks take {facts.ready_seconds:.0f} s to become ready"
    if way.caution:
        yield f"caution: {way.caution}"


def _outlook(facts: Facts, way: Way) -> Iterator[str]:
    """How the chosen sequence goes, and what the orders that come to mind first would do instead."""
    yield from _chosen(predict(facts, way))
    if way.hold and way.sequence != "grace-hold":
        yield f"without the hold: {_images_first(images_first(facts))}"
    if facts.desired == 0 or not facts.moves or not facts.tried:
        return
    if not facts.new_passes_old:
        yield f"images first, no hold: {_images_first(images_first(facts))}"
    if not facts.old_passes_new:
        yield f"flip first: {_flip_first(flip_before_images(facts))}"


def _chosen(seen: Prediction) -> Iterator[str]:
    yield f"targets without health: {seen.without_health:g} s"
    yield from (f"old targets unhealthy: {spell(fate.marked)} after the flip" for fate in seen.fates)
    if seen.complete:
        since = "the flip" if seen.since == "flip" else "new tasks start"
        yield f"deployment complete: {spell(seen.complete)} after {since}"


def _images_first(seen: Prediction) -> str:
    killed = seen.fates[0].killed
    first = f"new tasks killed after {spell(killed)}" if killed else "new tasks marked"
    if seen.tripped is None:
        return f"{first}, again and again"
    return f"{first}, circuit breaker trips after {spell(seen.tripped)}"


def _flip_first(seen: Prediction) -> str:
    killed = seen.fates[0].killed
    first = f"old tasks killed after {spell(killed)}, " if killed else ""
    return f"{first}none healthy until new images are out"


def spell(span: Span) -> str:
    """Such as `10-15 s`, or `10 s`."""
    first, last = round(span.earliest), round(span.latest)
    return f"{first} s" if first == last else f"{first}-{last} s"
