"""Are the paths that a change moves, keeps or drops where the stack file says that they are?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from lgtm_deploy.core.methods import is_connect, takes_post
from lgtm_deploy.core.ports import ListenerRule
from lgtm_deploy.core.ports.web import HttpRequest, HttpResponse
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.verify.check import JSON, Check, Place
from lgtm_deploy.core.verify.finding import Judgement
from lgtm_deploy.core.verify.tempo import is_unknown_trace
from lgtm_deploy.core.verify.troubles import said, wrong_with
from lgtm_deploy.core.wildcards import matches_wildcard

# The route is there, and this is not how one asks it; or it asks for a tenant or for time.
_THERE = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Checks that make one line together: `fine` says what they found when all is as declared."""

    service: str
    name: str
    fine: str
    checks: tuple[Check, ...]


def route_groups(service: Service, place: Place, arrives: Callable[[str], bool]) -> list[Group]:
    """The declared paths that `arrives` says the load balancer sends to this service: others cannot be asked."""
    routes = Routes.of(service)
    prefix = routes.prefix
    there = {"moved paths": [routes.moved(path) for path in routes.moves], "kept paths": list(routes.keeps)}
    gone = {"old paths": [path for path in (*routes.moves, *routes.drops) if path not in routes.after]}
    groups = [
        Group(
            service=place.service,
            name=name,
            fine=f"{_count(found)} answer{'s' * (len(found) == 1)}" + (f" under {prefix}" * (name == "moved paths")),
            checks=tuple(kept_check(place, path) for path in found),
        )
        for name, paths in there.items()
        if (found := [path for path in paths if arrives(path)])
    ]
    groups += [
        Group(
            service=place.service,
            name=name,
            fine=f"{_count(found)} answer{'s' * (len(found) == 1)} no longer",
            checks=tuple(_gone(place, path) for path in found),
        )
        for name, paths in gone.items()
        if (found := [path for path in paths if arrives(path)])
    ]
    return groups


def arrives_at(target_group: str, rules: Sequence[ListenerRule], url: str) -> Callable[[str], bool]:
    """Whether the listener of that URL sends a path to that target group (its ARN). What depends on more than the path
    is taken for no. Where no listener has the URL's port, as behind a proxy, any listener that forwards counts."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    listeners = {rule.listener for rule in rules if rule.port == port} or {
        rule.listener for rule in rules if rule.target_groups
    }

    def arrives(path: str) -> bool:
        return any(
            target_group in _taken([rule for rule in rules if rule.listener == each], path) for each in listeners
        )

    return arrives


def _taken(rules: Sequence[ListenerRule], path: str) -> Sequence[str]:
    """Where the first rule that takes the path sends it."""
    for rule in rules:
        if not rule.conditional and (not rule.paths or any(matches_wildcard(pattern, path) for pattern in rule.paths)):
            return rule.target_groups
    return ()


def probe_of(place: Place, path: str) -> HttpRequest:
    """A request that shows whether the route is there, and changes nothing: /ingest without a name is refused."""
    if takes_post(path):
        return place.post(path, b"{}" if is_connect(path) else b"", JSON)
    return place.get(path)


def is_there(reply: HttpResponse, service: str) -> bool:
    """Whether the service has a route for what was asked."""
    return reply.status in _THERE or is_unknown_trace(reply) or wrong_with(reply, service) is None


def kept_check(place: Place, path: str) -> Check:
    """Whether the service has a route for that path."""

    def judge(reply: HttpResponse) -> Judgement:
        if is_there(reply, place.service):
            return Judgement.ok(str(reply.status))
        prefix = place.prefix if place.prefix and path.startswith(f"{place.prefix}/") else ""
        wrong = wrong_with(reply, place.service, prefix=prefix)
        return wrong or Judgement.failed(said(reply))

    return place.check(path, probe_of(place, path), judge, timed=False)


def _gone(place: Place, path: str) -> Check:
    def judge(reply: HttpResponse) -> Judgement:
        if not is_there(reply, place.service):
            return Judgement.ok(str(reply.status))
        return Judgement.degraded(
            f"{reply.status}, still there",
            "the stack file says that the change moves or drops it: the change is not out",
            "Apply it (`lgtm-deploy plan prefix-change`), or correct `paths` of the service in the stack file.",
        )

    return place.check(path, probe_of(place, path), judge, timed=False)


def _count(paths: Sequence[str]) -> str:
    return f"{len(paths)} path{'s' * (len(paths) != 1)}"
