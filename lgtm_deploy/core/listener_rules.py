"""Which listener rules lead to nothing once a service's paths have moved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lgtm_deploy.core.ports import ListenerRule
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.wildcards import matches_wildcard


@dataclass(frozen=True, kw_only=True)
class RuleFinding:
    """A rule and what it does to those who ask through it. `broken`: what it leads to is not there after the change;
    else it still works, for who asks on the new path."""

    said: str
    broken: bool


def rule_findings(service: Service, target_group: str, rules: Sequence[ListenerRule]) -> list[RuleFinding]:
    """What becomes of the rules that forward to the service's target group (its ARN), judged by its declared paths.

    A rule that changes the path, or whose paths are regular expressions, is not judged: what arrives cannot be seen.
    """
    leading = [rule for rule in rules if target_group in rule.target_groups and not rule.rewrites]
    return [finding for rule in leading for finding in _judged(service, rule)]


def _judged(service: Service, rule: ListenerRule) -> Iterator[RuleFinding]:
    routes = Routes.of(service)
    for pattern in rule.paths or (() if rule.conditional else ("*",)):
        before = [path for path in routes.before if matches_wildcard(pattern, path)]
        lost = [path for path in before if path not in routes.keeps]
        if not lost:
            continue
        stays = [path for path in routes.after if matches_wildcard(pattern, path)]
        yield _broken(service, rule, pattern, lost) if not stays else _outlived(service, rule, pattern, lost)


def _broken(service: Service, rule: ListenerRule, pattern: str, lost: Sequence[str]) -> RuleFinding:
    routes = Routes.of(service)
    moved = [f"{path} is {routes.moved(path)}" for path in lost if path in routes.moves]
    what = f"its {moved[0]} then" if moved else "it is answered no longer"
    return RuleFinding(
        said=f"{_name(rule)} sends {pattern} to {service.name}, which answers 404 to it after the change ({what}). "
        f"Take {pattern} out of the rule, and let those who ask it ask the new path.",
        broken=True,
    )


def _outlived(service: Service, rule: ListenerRule, pattern: str, lost: Sequence[str]) -> RuleFinding:
    return RuleFinding(
        said=f"{_name(rule)} ({pattern}) still leads to {service.name}, but not to {', '.join(lost)}", broken=False
    )


def _name(rule: ListenerRule) -> str:
    listener = f"the listener on port {rule.port}"
    return f"the default rule of {listener}" if rule.priority is None else f"rule {rule.priority} of {listener}"
