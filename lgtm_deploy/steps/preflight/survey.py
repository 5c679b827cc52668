"""Everything that preflight looks at, side by side: no describe call is made twice."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lgtm_deploy.core.consumers import Named, named
from lgtm_deploy.core.ports import ListenerRule, Ports
from lgtm_deploy.core.preflight.facts import ServiceFacts, Survey
from lgtm_deploy.core.preflight.permissions import wanted
from lgtm_deploy.core.preflight.tasks import way
from lgtm_deploy.core.shadow import shadow_listener, shadow_name
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.steps.preflight.looks import Looked, looked
from lgtm_deploy.steps.preflight.service import look_at
from lgtm_deploy.steps.preflight.stack_files import stack_files

_AT_ONCE = 16


def survey_of(stack: Stack, ports: Ports, *, services: Sequence[str], coupled: Sequence[str]) -> Survey:
    """One look at everything. Raises TransientError when AWS does not answer."""
    named_in_files, owners = _named(stack, services)
    planned = dict.fromkeys((*services, *coupled))
    bystanders = dict.fromkeys(
        owners[each.file] for each in named_in_files if each.outcome == "follows" and each.file in owners
    )
    looked_at = [*planned, *(name for name in bystanders if name not in planned)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rules = pool.submit(_rules, stack, ports)
        watched = {
            name: pool.submit(look_at, stack, ports, stack.service(name), probed=name in services) for name in looked_at
        }
        facts = {name: future.result() for name, future in watched.items()}
        listed = rules.result()
    survey = Survey(
        services=tuple(facts[name] for name in services),
        coupled=tuple(facts[name] for name in coupled if name not in services),
        bystanders=tuple(facts[name] for name in looked_at if name not in planned),
        rules=tuple(listed.value or ()),
        named=tuple(named_in_files),
        owners=owners,
        missing=listed.missing,
    )
    return _with_permissions(stack, ports, survey)


def _named(stack: Stack, services: Sequence[str]) -> tuple[list[Named], Mapping[str, str]]:
    texts, owners = stack_files(stack)
    found = named(
        texts,
        [stack.service(name) for name in services],
        {file: stack.service(owner) for file, owner in owners.items()},
        environment=stack.environment.name,
        others=stack.other_environments,
    )
    return found, owners


def _rules(stack: Stack, ports: Ports) -> Looked[Sequence[ListenerRule]]:
    balancer = stack.environment.load_balancer
    return looked(lambda: ports.balancer.rules(balancer)) if balancer else Looked(value=())


def _with_permissions(stack: Stack, ports: Ports, survey: Survey) -> Survey:
    """What the caller needs depends on what would change, and on the way to the tasks."""
    environment = stack.environment
    changing: Sequence[ServiceFacts] = [facts for facts in (*survey.services, *survey.coupled) if facts.changes]
    shadow = way(environment, survey.services) == "shadow"
    names = {facts.service.name: shadow_name(stack, facts.service.name) for facts in survey.services if shadow}
    needed = wanted(changing, cluster=environment.cluster, shadows=names, listener=shadow_listener(survey.rules))
    count = sum(facts.changes for facts in survey.services)
    needs_shadow = shadow and count > 0
    obstacle = looked(lambda: ports.shadow.feasible(environment.load_balancer, count) if needs_shadow else "")
    return replace(
        survey,
        missing=(*survey.missing, *obstacle.missing),
        shadow_obstacle=obstacle.value or "",
        wanted=needed,
        given=ports.caller.may(needed) if needed else None,
    )
