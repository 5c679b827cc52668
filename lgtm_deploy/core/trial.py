"""What is asked of an image that is tried out, and what its answers mean."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lgtm_deploy.core.contract import Contract, Reply, Trial
from lgtm_deploy.core.matcher import matches
from lgtm_deploy.core.ports import Answer, Ended, ListenerRule
from lgtm_deploy.core.stack import Health, Probe, Service

# The programs register their routes before they listen, so a path that is not there at first will not come. Half a
# minute of the night was spent on such paths; a slow machine still gets this long, in seconds.
_STEADY_SECONDS = 10.0
_BODY = 200
_STARTING = range(500, 600)
_NOT_FOUND = 404
# What Go's router says of a path that it does not have; a present route with an unknown id says something else.
_NO_ROUTE = "404 page not found"


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What both images are asked: the health `checks` until they are ready, then all other `paths` and `expects`.

    `routed` are those paths that the load balancer sends to the service.
    """

    checks: tuple[str, ...]
    paths: tuple[str, ...]
    expects: tuple[Probe, ...]
    routed: tuple[str, ...]


def questions(
    service: Service,
    old_path: str,
    rules: Sequence[ListenerRule],
    target_group: str,
    further: Sequence[str] = (),
) -> Questions:
    """All that is to be known of the service's image: both health paths, every path that the stack file names, with and
    without its prefix, every path that a listener rule sends to its `target_group` (an ARN), and the paths that
    `further` target groups check."""
    checks = _once((old_path, service.health.path))
    expected = [probe.path for probe in service.expects]
    declared = _once((*_stated(service), *(probe.path for probe in service.probes), *expected, *checks))
    routed = _routed(declared, rules, target_group)
    stated = [path for path in (*_stated(service), *routed) if path not in expected]
    return Questions(
        checks=checks,
        paths=tuple(path for path in _once((*stated, *further)) if path not in checks),
        expects=service.expects,
        routed=routed,
    )


def _stated(service: Service) -> tuple[str, ...]:
    moved = (each for path in service.paths.moves for each in (path, service.prefix + path))
    return (*moved, *service.paths.keeps, *service.paths.drops)


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


def _leads_to(path: str, rules: Sequence[ListenerRule], target_group: str) -> bool:
    bare = path.partition("?")[0]
    for rule in rules:
        if rule.paths and not any(_fits(pattern, bare) for pattern in rule.paths):
            continue
        if target_group in rule.target_groups:
            return not rule.rewrites
        # Whether a rule that asks for more than a path takes it cannot be known here: a later one may get it as well.
        if not rule.conditional:
            return False
    return False


def _fits(pattern: str, path: str) -> bool:
    """AWS: ELB user guide, path conditions."""
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.fullmatch("".join(parts), path, re.DOTALL) is not None


def replied(path: str, answer: Answer | None, health: Health, matcher: str, timeout: float = 0.0) -> Reply:
    """The answer as it is remembered: healthy when the check of the load balancer would pass, with the right body.

    `timeout` is how many seconds that check waits for an answer, 0: it is not known.
    """
    if answer is None:
        return Reply(path=path)
    body = answer.body or ""
    late = answer.seconds if 0 < timeout < answer.seconds else 0.0
    healthy = not late and matches(matcher, answer.status) and health.body in body
    return Reply(path=path, status=answer.status, body=_line(body), healthy=healthy, late=late)


def unmet(probe: Probe, answer: Answer | None) -> str:
    """How the answer falls short of what the stack file expects of the image; empty when it does not."""
    body = (answer.body or "") if answer is not None else ""
    if answer is not None and answer.status == probe.status and probe.body in body:
        return ""
    asked = f"{'POST' if probe.send else 'GET'} {probe.path}"
    wanted = f"{probe.status} with '{probe.body}'" if probe.body else str(probe.status)
    if answer is None:
        return f"{asked} is not answered, the stack file expects {wanted}"
    said = _line(body)
    return f"{asked} answers {answer.status}{f' ({said})' if said else ''}, the stack file expects {wanted}"


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


def not_ready(checks: Checks) -> str:
    """Why an image is not ready: what each health path answers."""
    said = ", ".join(f"{reply.path} {_answers(reply)}" for reply in checks.replies)
    return f"is not ready after {checks.elapsed:.0f} s: {said}"


def how_ended(ended: Ended) -> str:
    """How a container ended, and its last words."""
    words = f": last log lines: {' | '.join(ended.log)}" if ended.log else " without a word"
    memory = " (out of memory)" if ended.out_of_memory else ""
    return f"exits with code {ended.exit_code}{memory}{words}"


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
        if (_answered(contract.old, path) or _answered(contract.old, moved)) and not _answered(contract.new, moved):
            lost.append(f"the stack file says that {path} moves to {moved}, which the new image does not answer")
    for path in service.paths.keeps:
        if _is_lost(contract, path):
            lost.append(f"the stack file says that {service.name} keeps {path}, which the new image does not answer")
    for path in routed:
        if path not in known and _is_lost(contract, path):
            lost.append(
                f"the load balancer sends {path} to {service.name}, which answers it now and no longer after the change"
            )
    return tuple(lost)


def _is_lost(contract: Contract, path: str) -> bool:
    old, new = contract.old.on(path), contract.new.on(path)
    if not _answered(contract.old, path):
        return False
    return not _answered(contract.new, path) or (old.status < _NOT_FOUND and new.status == _NOT_FOUND)


def _answered(trial: Trial, path: str) -> bool:
    reply = trial.on(path)
    return reply.status != 0 and not (reply.status == _NOT_FOUND and reply.body.startswith(_NO_ROUTE))


def table(contract: Contract) -> tuple[str, ...]:
    """Both images' answers side by side, for 72 columns."""
    paths = _once(reply.path for trial in (contract.new, contract.old) for reply in trial.replies)
    head = f"{'path':<48} {'new image':>11} {'runs now':>11}"
    return (
        head,
        *(f"{_short(path):<48} {_cell(contract.new, path):>11} {_cell(contract.old, path):>11}" for path in paths),
    )


def _cell(trial: Trial, path: str) -> str:
    reply = trial.on(path)
    if not reply.status:
        return "-"
    return f"{reply.status} healthy" if reply.healthy else str(reply.status)


def _short(path: str) -> str:
    return path if len(path) <= 48 else f"…{path[-47:]}"  # noqa: PLR2004 - the column's width


def _answers(reply: Reply) -> str:
    if not reply.status:
        return "does not answer"
    late = f" after {reply.late:.1f} s, which is longer than the health check waits" if reply.late else ""
    return f"answers {reply.status}{f' ({reply.body})' if reply.body else ''}{late}"


def _line(body: str) -> str:
    return " ".join(body.split())[:_BODY]
