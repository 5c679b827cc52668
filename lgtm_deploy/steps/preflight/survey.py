"""Everything that preflight looks at, side by side: no describe call is made twice."""

import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from lgtm_deploy.core.consumers import Named, named
from lgtm_deploy.core.ports import ListenerRule, Ports, ServiceState
from lgtm_deploy.core.preflight.facts import ServiceFacts, Survey
from lgtm_deploy.core.preflight.permissions import wanted
from lgtm_deploy.core.preflight.tasks import way
from lgtm_deploy.core.preflight.variables import uses_in
from lgtm_deploy.core.preflight.workflows import workflows_in
from lgtm_deploy.core.shadow import shadow_listener, shadow_name
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.terraform_files import DeclaredService, NotHclError, RootFiles, declared_services
from lgtm_deploy.steps.preflight.looks import Looked, looked
from lgtm_deploy.steps.preflight.repository import workflow_files
from lgtm_deploy.steps.preflight.service import look_at
from lgtm_deploy.steps.preflight.stack_files import stack_files
from lgtm_deploy.steps.terraform_files import root_files

_AT_ONCE = 16
# What only Terraform's own provider manages needs no other: `terraform_data`, `data.terraform_remote_state`.
_NEEDS_PROVIDER = re.compile(
    r"^\s*(?:(?:resource|data)\s+\"(?!terraform_)|required_providers\b|provider\s+\"|source\s*=\s*\"(?!\.))",
    re.MULTILINE,
)
# terraform-provider-aws, resource aws_ecs_task_definition: a revision that is replaced is not deregistered.
_KEEPS = re.compile(r"\bskip_destroy\s*=")


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """What the environment's Terraform files say."""

    services: tuple[DeclaredService, ...] = ()
    unreadable: tuple[str, ...] = ()
    unlocked: Mapping[str, bool] = field(default_factory=dict)
    replacing: tuple[str, ...] = ()


def survey_of(
    stack: Stack, ports: Ports, *, services: Sequence[str], dependents: Sequence[str], roots: Sequence[str] = ()
) -> Survey:
    """One look at everything. Raises TransientError when AWS does not answer."""
    planned = dict.fromkeys((*services, *dependents))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rules = pool.submit(_rules, stack, ports)
        used = {*roots, *(stack.service(name).task_definition for name in planned)}
        declared = pool.submit(_declared, stack, used)
        states = _states(pool, stack, ports)
        changing = [with_names(ports, stack.service(name), states[name].value) for name in services]
        named_in_files, owners = _named(stack, changing)
        bystanders = dict.fromkeys(
            owners[each.file] for each in named_in_files if each.outcome == "follows" and each.file in owners
        )
        looked_at = [*planned, *(name for name in bystanders if name not in planned)]
        watched = {
            name: pool.submit(look_at, stack, ports, stack.service(name), states[name], probed=name in services)
            for name in looked_at
        }
        facts = {name: future.result() for name, future in watched.items()}
        listed, files = rules.result(), declared.result()
    known = {name: state.value for name, state in states.items() if state.value}
    survey = Survey(
        services=tuple(facts[name] for name in services),
        dependents=tuple(facts[name] for name in dependents if name not in services),
        bystanders=tuple(facts[name] for name in looked_at if name not in planned),
        rules=tuple(listed.value or ()),
        named=tuple(named_in_files),
        owners=owners,
        variables=uses_in(stack, known, changing),
        declared=files.services,
        unreadable=files.unreadable,
        unlocked=files.unlocked,
        workflows=workflows_in(
            workflow_files(stack.directory), [stack.service(name) for name in planned], stack.environment.cluster
        ),
        unseen=tuple(
            f"those of {name} could not be looked at: {said}"
            for name, state in states.items()
            if name not in looked_at
            for said in state.missing
        ),
        missing=listed.missing,
    )
    return _with_permissions(stack, ports, survey, files.replacing)


def _states(pool: ThreadPoolExecutor, stack: Stack, ports: Ports) -> Mapping[str, Looked[ServiceState]]:
    """Every service of the stack: any of them may name a path that moves in its task definition."""
    futures = {
        name: pool.submit(looked, partial(ports.host.service, service.ecs_service))
        for name, service in stack.services.items()
    }
    return {name: future.result() for name, future in futures.items()}


def with_names(ports: Ports, service: Service, state: ServiceState | None) -> Service:
    """The service with the names that ECS and Cloud Map give it, beside those of the stack file."""
    if state is None:
        return service
    registered = ports.host.registered_names(state.registries) if state.registries else ()
    labels = (name.partition(".")[0] for name in registered)
    return replace(service, hosts=(*service.hosts, *state.aliases, *registered, *labels))


def _declared(stack: Stack, used: Collection[str]) -> _Declared:
    """`used` are the roots that the plan runs Terraform in.

    Whoever has an endpoint of their own, such as the sandbox, has providers of their own, too: nothing is locked."""
    is_aws = not stack.environment.endpoint
    found = _Declared()
    for root in stack.environment.terraform.values():
        files = root_files(stack.directory, root)
        services, unreadable = _services(files)
        needs = is_aws and not files.locked and any(_NEEDS_PROVIDER.search(text) for text in files.texts)
        found = _Declared(
            services=(*found.services, *services),
            unreadable=(
                *found.unreadable,
                *unreadable,
                *(f"{file} is not read: which services it manages is not known" for file in files.unread),
            ),
            unlocked={**found.unlocked, **({root.root: root.name in used} if needs else {})},
            replacing=(*found.replacing, *(() if _KEEPS.search("\n".join(files.texts)) else (root.name,))),
        )
    return found


def _services(files: RootFiles) -> tuple[list[DeclaredService], list[str]]:
    try:
        return declared_services(files), []
    except NotHclError:
        return [], [
            f"{file}:{fault.line} cannot be parsed: which services its root manages is not known"
            for file, fault in files.unreadable()
        ]


def _named(stack: Stack, services: Sequence[Service]) -> tuple[list[Named], Mapping[str, str]]:
    texts, owners = stack_files(stack)
    found = named(
        texts,
        services,
        {file: stack.service(owner) for file, owner in owners.items()},
        environment=stack.environment.name,
        others=stack.other_environments,
    )
    return found, owners


def _rules(stack: Stack, ports: Ports) -> Looked[Sequence[ListenerRule]]:
    balancer = stack.environment.load_balancer
    return looked(lambda: ports.balancer.rules(balancer)) if balancer else Looked(value=())


def _with_permissions(stack: Stack, ports: Ports, survey: Survey, replacing: Collection[str]) -> Survey:
    """What the caller needs depends on what would change, and on the way to the tasks."""
    environment = stack.environment
    changing: Sequence[ServiceFacts] = [facts for facts in (*survey.services, *survey.dependents) if facts.changes]
    shadow = way(environment, survey.services) == "shadow"
    checked = [facts for facts in survey.services if facts.service.target_group]
    names = {facts.service.name: shadow_name(stack, facts.service.name) for facts in checked if shadow}
    needed = wanted(
        changing,
        cluster=environment.cluster,
        shadows=names,
        listener=shadow_listener(survey.rules),
        replacing=replacing,
    )
    count = sum(facts.changes for facts in checked)
    needs_shadow = shadow and count > 0
    obstacle = looked(lambda: ports.shadow.feasible(environment.load_balancer, count) if needs_shadow else "")
    return replace(
        survey,
        missing=(*survey.missing, *obstacle.missing),
        shadow_obstacle=obstacle.value or "",
        wanted=needed,
        given=ports.caller.may(needed) if needed else None,
    )
