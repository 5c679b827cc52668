"""What the caller needs to be allowed, and whether it is."""

from collections.abc import Iterable, Iterator

from lgtm_deploy.core.ports import Permission, ServiceState
from lgtm_deploy.core.preflight.facts import Findings, ServiceFacts, Survey

_LOGIN = "ecr:GetAuthorizationToken"
# AWS: ECR user guide, "Required IAM permissions for pushing an image".
_PUSH = ("BatchCheckLayerAvailability", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage")
_SHADOW = ("CreateTargetGroup", "DeleteTargetGroup", "RegisterTargets", "CreateRule", "DeleteRule", "AddTags")


def wanted(services: Iterable[ServiceFacts], *, cluster: str, shadow: bool) -> tuple[Permission, ...]:
    """The changing calls that a run makes for services that change.

    What Terraform needs beside the health check itself, such as its state, is left out; so are `iam:PassRole` and tags,
    which depend on the task definition.
    """
    found = [
        each
        for facts in services
        if facts.state and facts.changes
        for each in _of(facts, facts.state, cluster, shadow=shadow)
    ]
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


def _of(facts: ServiceFacts, state: ServiceState, cluster: str, *, shadow: bool) -> Iterator[Permission]:
    service = facts.service
    place, _, revision = state.task_definition.partition(":task-definition/")
    yield Permission(action="ecs:UpdateService", resource=f"{place}:service/{cluster}/{service.ecs_service}")
    if not service.pinned_tag:
        family = revision.partition(":")[0]
        yield Permission(action="ecs:RegisterTaskDefinition", resource=f"{place}:task-definition/{family}:*")
    repository = f"{place.replace(':ecs:', ':ecr:', 1)}:repository/{service.repository}"
    for action in _PUSH:
        yield Permission(action=f"ecr:{action}", resource=repository)
    if facts.group and facts.group.health_check.path != service.health.path:
        yield Permission(action="elasticloadbalancing:ModifyTargetGroup", resource=facts.group.arn)
    if shadow:
        for action in _SHADOW:
            yield Permission(action=f"elasticloadbalancing:{action}")
