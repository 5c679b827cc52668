"""How much of the time did a service answer?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.check import Check, Place, asked
from lgtm_deploy.core.verify.finding import Finding, Level
from lgtm_deploy.core.verify.reads import kind_of, read_checks
from lgtm_deploy.core.verify.routes import kept_check

CHECK = "availability"


@dataclass(frozen=True, kw_only=True)
class Knock:
    """One request: when it was sent and when it was over, in seconds of the monotonic clock, and what was wrong with
    the answer; empty: nothing."""

    began: float
    ended: float
    wrong: str = ""


@dataclass(frozen=True, kw_only=True)
class Availability:
    """How a service answered while it was watched. `longest_gap` is the longest time in seconds between two good
    answers with a bad one in between, or until the end; `why` is what was wrong first."""

    paths: tuple[str, ...] = ()
    requests: int = 0
    failures: int = 0
    longest_gap: float = 0.0
    why: str = ""


def watched_checks(service: Service, place: Place, now: float) -> list[Check]:
    """What is asked again and again: one light request to the service, and the paths that a change keeps."""
    first = read_checks(service, place, now)[:1] if kind_of(service) != "other" else read_checks(service, place, now)
    return [*first, *(kept_check(place, path) for path in service.paths.keeps)]


def measured(path: str, knocks: Sequence[Knock]) -> Availability:
    """The availability of one path."""
    wrong = [knock for knock in knocks if knock.wrong]
    return Availability(
        paths=(path,),
        requests=len(knocks),
        failures=len(wrong),
        longest_gap=round(max(_gaps(knocks), default=0.0), 3),
        why=f"{path}: {wrong[0].wrong}" if wrong else "",
    )


def together(parts: Iterable[Availability]) -> Availability:
    """The availability of a service of which several paths were watched."""
    found = list(parts)
    return Availability(
        paths=tuple(path for part in found for path in part.paths),
        requests=sum(part.requests for part in found),
        failures=sum(part.failures for part in found),
        longest_gap=max((part.longest_gap for part in found), default=0.0),
        why=next((part.why for part in found if part.why), ""),
    )


def written(services: Mapping[str, Availability]) -> dict[str, Any]:
    """As an event holds it."""
    return {name: {**asdict(each), "paths": list(each.paths)} for name, each in services.items()}


def read(content: Mapping[str, Any]) -> dict[str, Availability]:
    """What an event holds; what another version wrote, and is not understood, is left out."""
    found: dict[str, Availability] = {}
    for name, each in content.items():
        known = each if isinstance(each, Mapping) else {}
        paths = known.get("paths")
        found[name] = Availability(
            paths=tuple(map(str, paths)) if isinstance(paths, list) else (),
            requests=int(known.get("requests") or 0),
            failures=int(known.get("failures") or 0),
            longest_gap=float(known.get("longest_gap") or 0.0),
            why=str(known.get("why") or ""),
        )
    return found


def told(each: Availability) -> str:
    """In a few words."""
    if not each.paths:
        return "not watched: nothing of it that stays answered before"
    requests = f"{each.requests} request{'s' * (each.requests != 1)}"
    if not each.failures:
        return f"{requests}, none failed"
    return f"{requests}, {each.failures} failed, longest gap {each.longest_gap:.1f} s"


def availability_finding(service: str, each: Availability) -> Finding:
    """As a finding: any request that failed is a failure."""
    level: Level = "not-configured" if not each.requests else "failed" if each.failures else "ok"
    return Finding(
        service=service,
        check=CHECK,
        level=level,
        asked=", ".join(each.paths),
        got=told(each),
        means=f"it did not always answer: {each.why}" if each.failures else "",
        todo="Compare the moments with those of the deployment." if each.failures else "",
    )


def path_of(check: Check) -> str:
    """What a check asks, in short."""
    return asked(check.question)


def _gaps(knocks: Sequence[Knock]) -> Iterable[float]:
    """From the end of the last good answer (or the very first request) to the end of the next good one."""
    since = knocks[0].began if knocks else 0.0
    bad = False
    for knock in knocks:
        if knock.wrong:
            bad = True
            continue
        if bad:
            yield knock.ended - since
        bad, since = False, knock.ended
    if bad:
        yield knocks[-1].ended - since
