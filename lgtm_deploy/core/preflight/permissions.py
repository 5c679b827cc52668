"""What the caller needs to be allowed, and whether it is."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from lgtm_deploy.core.ports import Permission, ServiceState
from lgtm_deploy.core.preflight.facts import Findings, ServiceFacts, Survey

_LOGIN = "ecr:GetAuthorizationToken"
# AWS: ECR user guide, "Required IAM permissions for pushing an image".
_PUSH = ("BatchCheckLayerAvailability", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage")
_ELB = "elasticloadbalancing"
# AWS: service authorization reference, Elastic Load Balancing v2: which action is checked on which kind of resource.
_SHADOW_GROUP = ("CreateTargetGroup", "DeleteTargetGroup", "RegisterTargets", "AddTags")
_SHADOW_RULE = ("DeleteRule", "AddTags")


def wanted(
    services: Iterable[ServiceFacts],
    *,
    cluster: str,
    shadows: Mapping[str, str] | None = None,
    listener: str = "",
    replacing: Collection[str] = (),
) -> tuple[Permission, ...]:
    """The changing calls that a run makes for services that change, on the very resources.

    `shadows` are the names of their shadow target groups, where there are to be any, and `listener` is the ARN of the
    one that gets the rules. `replacing` are the Terraform roots that deregister a task definition which they replace.

    What Terraform needs beside the health check itself, such as its state, is left out; so are `iam:PassRole` and tags,
    which depend on the task definition.
    """
    changing = [facts for facts in services if facts.state and facts.changes]
    found = [
        each
        for facts in changing
        if facts.state
        for each in (*_of(facts, facts.state, cluster), *_of_shadow(facts, (shadows or {}), listener))
    ]
    if any(facts.service.task_definition in replacing for facts in changing):
        # AWS: service authorization reference, ECS: it is checked on no resource.
        found.append(Permission(action="ecs:DeregisterTaskDefinition"))
    if found:
        found.append(Permission(action=_LOGIN))
    return tuple(dict.fromkeys(found))


def allowed(survey: Survey) -> Findings:
    """What is denied is wrong; where nobody can be asked, what is needed is told."""
    if not survey.wanted:
        return Findings()
    if survey.given is None:
        actions = dict.fromkeys(each.action for each in survey.wanted)
        return Findings(told=(f"permissions: not to be asked for here; needed are {', '.join(actions)}",))
    denied = [each for each in survey.wanted if not survey.given.get(each, True)]
    if denied:
        calls = ", ".join(f"{each.action} on {each.resource}" for each in denied)
        return Findings(wrong=(f"The caller may not do: {calls}. Allow it, or use another role.",))
    return Findings(told=(f"permissions: all {len(survey.wanted)} that it needs, by IAM's own simulation",))


def _of(facts: ServiceFacts, state: ServiceState, cluster: str) -> Iterator[Permission]:
    service = facts.service
    place, _, revision = state.task_definition.partition(":task-definition/")
    yield Permission(action="ecs:UpdateService", resource=f"{place}:service/{cluster}/{service.ecs_service}")
    # A pinned tag is deployed as it is, and comes back by digest.
    family = revision.partition(":")[0]
    yield Permission(action="ecs:RegisterTaskDefinition", resource=f"{place}:task-definition/{family}:*")
    repository = f"{place.replace(':ecs:', ':ecr:', 1)}:repository/{service.repository}"
    for action in _PUSH:
        yield Permission(action=f"ecr:{action}", resource=repository)
    if facts.group and facts.group.health_check.path != service.health.path:
        yield Permission(action=f"{_ELB}:ModifyTargetGroup", resource=facts.group.arn)


def _of_shadow(facts: ServiceFacts, shadows: Mapping[str, str], listener: str) -> Iterator[Permission]:
    """A role may be allowed no more than what bears such names, on this load balancer."""
    name = shadows.get(facts.service.name)
    if not name or not facts.group or not listener:
        return
    group = f"{facts.group.arn.partition(':targetgroup/')[0]}:targetgroup/{name}/*"
    for action in _SHADOW_GROUP:
        yield Permission(action=f"{_ELB}:{action}", resource=group)
    yield Permission(action=f"{_ELB}:CreateRule", resource=listener)
    for action in _SHADOW_RULE:
        yield Permission(
            action=f"{_ELB}:{action}", resource=f"{listener.replace(':listener/', ':listener-rule/', 1)}/*"
        )
