"""Whom the change breaks: listener rules, files of the stack, and whoever cannot be seen."""

from collections.abc import Iterator

from lgtm_deploy.core.consumers import Named
from lgtm_deploy.core.further_groups import asks_service, left_behind, stranger
from lgtm_deploy.core.listener_rules import rule_findings
from lgtm_deploy.core.ports import ServiceState, TargetGroup
from lgtm_deploy.core.preflight.facts import Findings, ServiceFacts, Survey
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Service


def rules(survey: Survey) -> Findings:
    """Rules that lead to nothing once a service has changed."""
    found = [
        finding
        for facts in _moving(survey)
        if facts.group
        for finding in rule_findings(facts.service, facts.group.arn, survey.rules)
    ]
    return Findings(
        wrong=tuple(finding.said for finding in found if finding.broken),
        told=tuple(f"rules: {finding.said}" for finding in found if not finding.broken),
    )


def files(survey: Survey) -> Findings:
    """Committed files that name a path that is not there after the change, or only then."""
    moving = {facts.service.name for facts in _moving(survey)}
    named = [each for each in survey.named if each.service in moving]
    broken = tuple(f"{each}." for each in named if each.outcome == "broken")
    right = [each for each in named if each.outcome == "follows"]
    unclear = tuple(f"files: {each}" for each in named if each.outcome == "unclear")
    told = (f"files: {', '.join(each.place for each in right)} already name the new paths",) if right else ()
    return Findings(wrong=broken + tuple(_left_behind(survey, right)), told=told + unclear)


def outside(survey: Survey) -> Findings:
    """What moves for those whom nobody here can see."""
    return Findings(
        told=tuple(
            f"outside the stack: who asks {facts.service.name} on port {facts.service.port} itself must follow: {moved}"
            for facts in _moving(survey)
            if (moved := _moves(Routes.of(facts.service)))
        )
    )


def still_checked(survey: Survey) -> Findings:
    """A dependent service keeps its health check: nothing in a plan moves that."""
    return Findings(
        wrong=tuple(
            f"{facts.group.name} checks {facts.group.health_check.path}, and `health.path` of {facts.service.name} is "
            f"{facts.service.health.path}: a dependent service keeps its check. Correct the stack file, or make it one "
            "of the plan's `services`."
            for facts in survey.dependents
            if facts.group and facts.group.health_check.path != facts.service.health.path
        )
    )


def target_groups(survey: Survey) -> Findings:
    """Services whose tasks are not in the target group that would be watched, or in others that would fail them."""
    found = Findings()
    for facts in (*survey.services, *survey.dependents):
        if facts.state and facts.group:
            found += _groups_of(facts, facts.state, facts.group)
        elif facts.state and not facts.service.target_group and facts.state.target_groups:
            found += Findings(wrong=(_unnamed(facts.service, facts.state),))
    return found


def _unnamed(service: Service, state: ServiceState) -> str:
    names = ", ".join(arn.rpartition(":")[2].split("/")[1] for arn in state.target_groups)
    return (
        f"{service.ecs_service} registers its tasks in {names}, and {service.name} has no `target_group` in the stack "
        "file: nobody would watch their health. Write `target_group`."
    )


def _groups_of(facts: ServiceFacts, state: ServiceState, group: TargetGroup) -> Findings:
    service, checked = facts.service, group.health_check.path
    asking = [each for each in facts.further if asks_service(each, service, state)]
    wrong = [stranger(service, state, group)]
    if facts.changes:
        wrong += [left_behind(service, checked, each) for each in asking]
    unseen = ", ".join(each.name for each in facts.further if each not in asking)
    return Findings(
        wrong=tuple(filter(None, wrong)),
        told=(f"target groups: {unseen} checks {service.name} in a way that is not tried out here",) if unseen else (),
    )


def _moving(survey: Survey) -> Iterator[ServiceFacts]:
    return (facts for facts in survey.services if facts.changes and Routes.of(facts.service).changed)


def _left_behind(survey: Survey, right: list[Named]) -> Iterator[str]:
    """Services outside the plan that would go on with an image made before their file was set right."""
    for facts in survey.bystanders:
        own = [each for each in right if survey.owners.get(each.file) == facts.service.name]
        if not own or facts.runs_what_is_committed:
            continue
        whose = " and ".join(dict.fromkeys(f"{each.service}'s" for each in own))
        places = ", ".join(f"{each.place} says {each.says}" for each in own)
        yield (
            f"{facts.service.name} names {whose} path and must change with it: add it to the plan's `dependents` "
            f"({places}; the image that runs is not made of that)."
        )


def _moves(routes: Routes) -> str:
    moved = ", ".join(f"{path} -> {routes.moved(path)}" for path in routes.moves if routes.prefix)
    dropped = ", ".join(routes.drops)
    return "; ".join(part for part in (moved, f"gone: {dropped}" if dropped else "") if part)
