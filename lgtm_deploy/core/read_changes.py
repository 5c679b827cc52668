"""What a change does to the paths that read data: they answer as before, move under the prefix, or are lost.

Both images are asked each path with and without the service's prefix. A path that answered 2xx is lost when the new
image answers it with a server error, with 404, or not in time, and neither its new place nor the stack file explains
that. Without an image to compare with, the recordings tell which paths the new version must answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lgtm_deploy.core.contract import Contract, Reply
from lgtm_deploy.core.read_paths import READ_PATHS, known_paths, read_requests
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.reads import kind_of
from lgtm_deploy.core.verify.troubles import titled

Outcome = Literal["as before", "moved", "dropped", "lost", "new", "unlike", "neither"]
# A route that is there answers 405 to another method only, and these requests have the right one.
_GONE = (404, 405)
_SHOWN = 2


@dataclass(frozen=True, kw_only=True)
class ReadChange:
    """A read path, what the running image answers on it, and what the new image does, there or at its new place."""

    outcome: Outcome
    was: Reply
    now: Reply


def lost_reads(service: Service, contract: Contract) -> tuple[str, ...]:
    """Return the read paths that the new image breaks, those with a server error first, and how many more there are."""
    lost = [change for change in _changes(service, contract) if change.outcome == "lost"]
    lost.sort(key=lambda change: not change.now.is_broken)
    more = (f"{len(lost) - _SHOWN} more read paths are lost",) if len(lost) > _SHOWN else ()
    return (*(_told(change) for change in lost[:_SHOWN]), *more)


def shown_reads(service: Service, contract: Contract) -> tuple[str, ...]:
    """Return the read paths that a person should see: those that do not answer as before."""
    changes = [change for change in _changes(service, contract) if change.outcome in ("lost", "unlike", "dropped")]
    return tuple(dict.fromkeys(path for change in changes for path in (change.was.path, change.now.path)))


def read_summary(service: Service, contract: Contract) -> tuple[str, ...]:
    """Return one line that counts the read paths by what becomes of them, and one where their list is not known."""
    title = f"{titled(kind_of(service))} {service.version}".strip()
    listed = READ_PATHS.get(kind_of(service))
    if listed is None:
        return (f"no read paths are known for {service.name}: only declared paths were asked",)
    known = known_paths(service)
    unknown = () if known else (f"{title} is not in the list of read paths: those of other versions were asked",)
    changes = [
        change for change in _changes(service, contract) if change.outcome != "neither" or change.was.path in known
    ]
    under = f" under {service.prefix}" if service.prefix else ""
    names: dict[Outcome, str] = {
        "as before": "answer as before",
        "moved": f"answer{under}",
        "dropped": "dropped",
        "lost": "lost",
        "new": "new",
        "unlike": "changed",
        "neither": "fail on both" if contract.old.reads else "fail",
    }
    counts = {name: sum(change.outcome == outcome for change in changes) for outcome, name in names.items()}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return (f"{len(changes)} read paths of {title}: {told or 'none answers'}", *unknown)


def _changes(service: Service, contract: Contract) -> Iterator[ReadChange]:
    if not contract.new.reads:
        return
    # The times in the requests do not matter here.
    for request in read_requests(service, 0.0):
        yield from _of_path(service, contract, request.path)


def _of_path(service: Service, contract: Contract, path: str) -> Iterator[ReadChange]:
    routes, (old, new) = Routes.of(service), (contract.old, contract.new)
    places = tuple(dict.fromkeys((path, routes.moved(path))))
    before = [old.read(place) for place in places if old.read(place).succeeds]
    for was in before:
        stays = was.path != path or routes.fate(path) == "stays"
        candidates = [new.read(was.path)] if stays else [new.read(place) for place in places]
        now = _best(candidates)
        yield ReadChange(outcome=_outcome(was, now, is_dropped=routes.fate(was.path) == "drops"), was=was, now=now)
    if not before:
        now = _best([new.read(place) for place in places])
        # Nothing to compare with: the image could not be tried out, or none runs.
        is_known = not old.reads and path in known_paths(service)
        failed = _outcome(old.read(path), now, is_dropped=routes.fate(path) == "drops") if is_known else "neither"
        outcome: Outcome = "new" if now.succeeds else "neither" if failed == "unlike" else failed
        yield ReadChange(outcome=outcome, was=old.read(path), now=now)


def _best(replies: Sequence[Reply]) -> Reply:
    """The answer that counts of those at the old and the new place: a 2xx, else an error of the server, else one that
    is no 404, else one of a route that is there."""

    def rank(reply: Reply) -> tuple[bool, bool, bool, bool]:
        return not reply.succeeds, not reply.is_broken, reply.status in _GONE, not reply.has_route

    return min(replies, key=rank)


def _outcome(was: Reply, now: Reply, *, is_dropped: bool) -> Outcome:
    if now.succeeds:
        return "as before" if now.path == was.path else "moved"
    if is_dropped:
        return "dropped"
    return "lost" if now.is_broken or now.status in _GONE else "unlike"


def _told(change: ReadChange) -> str:
    was, now = change.was, change.now
    place = "" if now.path == was.path else f" at {_bare(now.path)}"
    before = f" answers {was.status} now, and" if was.status else ":"
    return f"{now.method} {_bare(was.path)}{before} the new image {spelled(now)}{place}"


def spelled(reply: Reply) -> str:
    """Return what was answered in a few words, such as `answers 404 (404 page not found)`."""
    if not reply.status:
        return f"does not answer within {reply.waited:g} s" if reply.waited else "does not answer"
    return f"answers {reply.status}{f' ({reply.body})' if reply.body else ''}"


def _bare(path: str) -> str:
    return path.partition("?")[0]
