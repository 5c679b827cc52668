"""What is asked of an image that is tried out, and what its answers mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lgtm_deploy.core.contract import Contract, Reply, Silence, Trial
from lgtm_deploy.core.log_excerpt import has_errors, quoted
from lgtm_deploy.core.matcher import matches
from lgtm_deploy.core.methods import is_connect
from lgtm_deploy.core.ports import Answer, Ended, ListenerRule
from lgtm_deploy.core.read_changes import read_summary, shown_reads, spelled
from lgtm_deploy.core.read_paths import read_requests
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Health, Probe, Service
from lgtm_deploy.core.wildcards import matches_wildcard
from lgtm_deploy.core.words import joined

# The programs register their routes before they listen, so a path that is not there at first will not come. Half a
# minute of the night was spent on such paths; a slow machine still gets this long, in seconds.
_STEADY_SECONDS = 10.0
_BODY = 200
_STARTING = range(500, 600)
_NOT_FOUND = 404


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What both images are asked: the health `checks` until they are ready, then all the rest.

    `reads` are the paths that read data, with and without the prefix. `expects` must answer as the stack file says:
    those it expects of the image, and its probes. `paths` are all others. `routed` are those that the load balancer
    sends to the service.
    """

    checks: tuple[str, ...]
    paths: tuple[Probe, ...]
    expects: tuple[Probe, ...]
    reads: tuple[Probe, ...]
    routed: tuple[str, ...]


def questions(
    service: Service,
    old_path: str,
    rules: Sequence[ListenerRule],
    target_group: str,
    *,
    further: Sequence[str] = (),
    now: float,
) -> Questions:
    """All that is to be known of the service's image: both health paths, every path that the stack file names, with and
    without its prefix, every path that a listener rule sends to its `target_group` (an ARN), the paths that `further`
    target groups check, and those that read data, until `now` (seconds since 1970)."""
    checks = _once((old_path, service.health.path))
    # A rule that rewrites a path lets the image answer another one: its probe tells nothing before the change.
    probes = [probe for probe in service.probes if not _is_rewritten(probe.path, rules, target_group)]
    expects = tuple(dict.fromkeys((*service.expects, *probes)))
    expected = [probe.path for probe in expects]
    declared = _once((*_stated(service), *(probe.path for probe in service.probes), *expected, *checks))
    routed = _routed(declared, rules, target_group)
    reads = _placed(read_requests(service, now), Routes.of(service))
    asked = {*checks, *expected, *(probe.path for probe in reads)}
    return Questions(
        checks=checks,
        paths=tuple(_asked_as(path) for path in _once((*_stated(service), *routed, *further)) if path not in asked),
        expects=expects,
        reads=reads,
        routed=routed,
    )


def _stated(service: Service) -> tuple[str, ...]:
    moved = (each for path in service.paths.moves for each in (path, service.prefix + path))
    return (*moved, *service.paths.keeps, *service.paths.drops)


def _placed(requests: Sequence[Probe], routes: Routes) -> tuple[Probe, ...]:
    """The requests at their own place, and at the one under the prefix."""
    moved = (replace(each, path=place) for each in requests for place in (each.path, routes.moved(each.path)))
    return tuple(dict.fromkeys(moved))


def _asked_as(path: str) -> Probe:
    """The request that shows whether the image has the path, and writes nothing."""
    return Probe(path=path, send="{}" if is_connect(path) else "")


def _once(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for path in paths if path))


def _routed(declared: Sequence[str], rules: Sequence[ListenerRule], target_group: str) -> tuple[str, ...]:
    """Paths that some listener sends there: a wildcard is sampled by the declared paths, other patterns are paths."""
    plain = [
        pattern
        for rule in rules
        if target_group in rule.target_groups and not rule.rewrites
        for pattern in rule.paths
        if not set("*?") & set(pattern)
    ]
    listeners = {rule.listener: [each for each in rules if each.listener == rule.listener] for rule in rules}
    return tuple(
        path
        for path in _once((*declared, *plain))
        if any(_leads_to(path, listed, target_group) for listed in listeners.values())
    )


def _is_rewritten(path: str, rules: Sequence[ListenerRule], target_group: str) -> bool:
    listeners = {rule.listener: [each for each in rules if each.listener == rule.listener] for rule in rules}
    takers = [_taker(path, listed, target_group) for listed in listeners.values()]
    return any(taker is not None and taker.rewrites for taker in takers)


def _leads_to(path: str, rules: Sequence[ListenerRule], target_group: str) -> bool:
    taker = _taker(path, rules, target_group)
    return taker is not None and not taker.rewrites


def _taker(path: str, rules: Sequence[ListenerRule], target_group: str) -> ListenerRule | None:
    """The rule of one listener that sends the path to the target group."""
    bare = path.partition("?")[0]
    for rule in rules:
        if rule.paths and not any(matches_wildcard(pattern, bare) for pattern in rule.paths):
            continue
        if target_group in rule.target_groups:
            return rule
        # Whether a rule that asks for more than a path takes it cannot be known here: a later one may get it as well.
        if not rule.conditional:
            return None
    return None


def replied(probe: Probe, answer: Answer | Silence) -> Reply:
    """Return the answer as it is remembered."""
    if isinstance(answer, Silence):
        return Reply(path=probe.path, method=probe.verb, waited=answer.seconds)
    return Reply(path=probe.path, method=probe.verb, status=answer.status, body=_line(answer.body or ""))


def checked(path: str, answer: Answer | Silence, health: Health, matcher: str, timeout: float = 0.0) -> Reply:
    """Return the answer on a health path: healthy when the load balancer's check would pass, with the right body.

    `timeout` is how many seconds that check waits for an answer, 0: it is not known.
    """
    reply = replied(Probe(path=path), answer)
    if isinstance(answer, Silence):
        return reply
    late = answer.seconds if 0 < timeout < answer.seconds else 0.0
    healthy = not late and matches(matcher, answer.status) and health.body in (answer.body or "")
    return replace(reply, healthy=healthy, late=late)


def unmet(probe: Probe, answer: Answer | Silence) -> str:
    """How the answer falls short of what the stack file expects of the image; empty when it does not."""
    if isinstance(answer, Answer) and answer.status == probe.status and probe.body in (answer.body or ""):
        return ""
    wanted = f"{probe.status} with '{probe.body}'" if probe.body else str(probe.status)
    return f"{probe.verb} {probe.path} {spelled(replied(probe, answer))}, the stack file expects {wanted}"


@dataclass(frozen=True, kw_only=True)
class Checks:
    """How the health paths answered, last and over time; seconds count from the first question.

    `ready` is when the first of them was healthy (negative: none yet), `same_since` since when all answer as they do.
    """

    replies: tuple[Reply, ...] = ()
    elapsed: float = 0.0
    ready: float = -1.0
    same_since: float = 0.0

    def then(self, replies: tuple[Reply, ...], elapsed: float) -> "Checks":
        """With the next look."""
        same = [reply.status for reply in replies] == [reply.status for reply in self.replies]
        healthy = any(reply.healthy for reply in replies)
        return replace(
            self,
            replies=replies,
            elapsed=elapsed,
            ready=elapsed if healthy and self.ready < 0 else self.ready,
            same_since=self.same_since if same else elapsed,
        )

    def verdict(self, within: float) -> Literal["wait", "ready", "never"]:
        """Whether the image is ready, or never will be.

        It is ready when one health path is healthy and no other is still starting. One that only answers that it has no
        such path has no clock that runs, so waiting for it to the end helps nobody.
        """
        late = self.elapsed >= within
        starting = any(reply.status in _STARTING or not reply.status for reply in self.replies)
        if self.ready >= 0 and (late or not starting):
            return "ready"
        if late or (not starting and self.replies and self.elapsed - self.same_since >= _STEADY_SECONDS):
            return "never"
        return "wait"


def not_ready(checks: Checks, log: Sequence[str] = ()) -> str:
    """Why an image is not ready: what each health path answers, and what its log says."""
    said = ", ".join(f"{reply.path} {_answers(reply)}" for reply in checks.replies)
    # An image that answers 404 runs: unless it has errors, its log says nothing of a path that it does not have.
    logged = quoted(log) if has_errors(log) or any(reply.is_broken for reply in checks.replies) else ""
    return joined(f"is not ready after {checks.elapsed:.0f} s: {said}", logged)


def how_ended(ended: Ended) -> str:
    """How a container ended, and what its log says."""
    said = quoted(ended.log)
    memory = " (out of memory)" if ended.out_of_memory else ""
    return f"exits with code {ended.exit_code}{memory}{f': {said}' if said else ' without a word'}"


def lacks(variables: Sequence[str], secrets: Sequence[str]) -> str:
    """What the image may not run without, for the reason; empty when it has all."""
    parts = []
    if variables:
        parts.append(f"its config takes {', '.join(f'${{{name}}}' for name in variables)}, which nothing sets")
    if secrets:
        parts.append(f"the task definition's secrets {', '.join(secrets)} have no value here")
    return "; ".join(parts)


def losses(service: Service, contract: Contract, routed: Sequence[str]) -> tuple[str, ...]:
    """What the image that runs answers and the new one does not, although somebody depends on it.

    That paths which move, or the health check's old one, are not where they were is the change itself: whether a rule
    leads nobody but to them is judged by the rules, of which many take more than one service's paths.
    """
    lost = []
    known = {*service.paths.moves, *service.paths.keeps, *service.paths.drops, contract.old_path}
    for path in service.paths.moves:
        moved = service.prefix + path
        before = (contract.old.on(path), contract.old.on(moved))
        if any(_is_lost(old, contract.new.on(moved)) for old in before):
            lost.append(f"the stack file says that {path} moves to {moved}, {_not_there(contract, moved)}")
    for path in service.paths.keeps:
        if _is_lost(contract.old.on(path), contract.new.on(path)):
            lost.append(f"the stack file says that {service.name} keeps {path}, {_not_there(contract, path)}")
    for path in routed:
        if path not in known and _is_lost(contract.old.on(path), contract.new.on(path)):
            lost.append(
                f"the load balancer sends {path} to {service.name}, which answers it now: {_not_there(contract, path)}"
            )
    return tuple(lost)


def _not_there(contract: Contract, path: str) -> str:
    reply = contract.new.on(path)
    if reply.status and reply.is_broken:
        return f"on which the new image {spelled(reply)}"
    return "which the new image does not answer" + (f" within {reply.waited:g} s" if reply.waited else "")


def _is_lost(old: Reply, new: Reply) -> bool:
    if not old.tells_route:
        return False
    return not new.has_route or (old.status < _NOT_FOUND and new.status == _NOT_FOUND)


def table(service: Service, contract: Contract) -> tuple[str, ...]:
    """Both images' answers side by side, for 72 columns: on the paths that the stack file and listener rules name, and
    on those read paths that do not answer as before, which are counted in the last line."""
    trials = (contract.new, contract.old)
    read = {reply.path for trial in trials for reply in trial.reads}
    named = [path for path in _stated(service) if path in read]
    paths = _once((*(each.path for trial in trials for each in trial.replies), *named, *shown_reads(service, contract)))
    head = f"{'path':<48} {'new image':>11} {'runs now':>11}"
    return (
        head,
        *(f"{_short(path):<48} {_cell(contract.new, path):>11} {_cell(contract.old, path):>11}" for path in paths),
        *read_summary(service, contract),
    )


def _cell(trial: Trial, path: str) -> str:
    reply = trial.on(path)
    if not reply.status:
        return f"none in {reply.waited:g} s" if reply.waited else "-"
    return f"{reply.status} healthy" if reply.healthy else str(reply.status)


def _short(path: str) -> str:
    return path if len(path) <= 48 else f"…{path[-47:]}"  # noqa: PLR2004 - the column's width


def _answers(reply: Reply) -> str:
    late = f" after {reply.late:.1f} s, which is longer than the health check waits" if reply.late else ""
    return spelled(reply) + late


def _line(body: str) -> str:
    return " ".join(body.split())[:_BODY]
