"""Further target groups of a service: what they ask it, and whether it would still pass once it has changed.

A task that is in several target groups counts as healthy only when it passes the check of each (AWS: ECS developer
guide, "Registering multiple target groups with a service"), and a plan moves the check of one.
"""

from collections.abc import Iterable, Sequence

from lgtm_deploy.core.contract import Trial
from lgtm_deploy.core.matcher import matches
from lgtm_deploy.core.ports import ServiceState, TargetGroup
from lgtm_deploy.core.routes import Routes
from lgtm_deploy.core.stack import Service


def further_names(state: ServiceState, group: TargetGroup) -> tuple[str, ...]:
    """The names of the service's target groups beside that one (AWS: ARN format, targetgroup/name/id)."""
    return tuple(arn.rpartition(":")[2].split("/")[1] for arn in state.target_groups if arn != group.arn)


def asks_service(group: TargetGroup, service: Service, state: ServiceState) -> bool:
    """Whether the group's checks ask what the service answers over HTTP on its port: that can be foretold."""
    port = group.check_port or state.registered_ports.get(group.arn, service.port)
    return group.checks_http and port == service.port


def stranger(service: Service, state: ServiceState, group: TargetGroup) -> str:
    """What is wrong when the service's tasks are not in the stack file's target group; else nothing."""
    if group.arn in state.target_groups:
        return ""
    names = ", ".join(arn.rpartition(":")[2].split("/")[1] for arn in state.target_groups)
    return (
        f"{service.ecs_service} registers its tasks in {names or 'no target group'} and not in {group.name}: what that "
        f"one checks says nothing of it. Correct `target_group` of {service.name} in the stack file."
    )


def left_behind(service: Service, checked: str, group: TargetGroup) -> str:
    """What is wrong when a further group checks a path that moves; `checked` is the one that the first group checks.

    What the stack file does not say the image itself will, unless it is not tried out.
    """
    path = group.health_check.path
    fate = Routes.of(service).fate(path)
    unsaid = bool(service.rehearsal.skip) and path == checked != service.health.path
    if fate == "stays" or not (fate in ("moves", "drops") or unsaid):
        return ""
    return (
        f"{group.name} has the tasks of {service.name}, too, and checks {path}, which is not there after the change: "
        "no new task would count as healthy, and no step of the plan moves that check. Let it check a path that stays, "
        "or take it out of the service, first."
    )


def failed(service: Service, groups: Sequence[TargetGroup], new: Trial) -> tuple[str, ...]:
    """Which checks of further groups the new image did not pass, when it was asked what they ask."""
    return tuple(
        f"{group.name} has the tasks of {service.name}, too, and checks {path} for {group.health_check.matcher}, which "
        f"the new image {f'answers with {reply.status}' if reply.status else 'does not answer'}"
        for group in groups
        for path in [group.health_check.path]
        for reply in [new.on(path)]
        if not matches(group.health_check.matcher, reply.status)
    )


def paths_of(groups: Iterable[TargetGroup]) -> tuple[str, ...]:
    """What they check."""
    return tuple(dict.fromkeys(group.health_check.path for group in groups))
