"""The wait until a sandbox's stack runs: every rollout completed and every target healthy."""

import http.client
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.progress_limit import ProgressLimit
from lgtm_deploy.sandbox.start_failure import start_failures

# The longest pause in which no service comes further. A real Pyroscope needs 47 s to get ready, and more on a busy
# machine.
STALL_SECONDS = 300.0
POLL_SECONDS = 0.25
# Asking why a service is not up yet takes several calls.
_EXAMINE_SECONDS = 2.0
_WAKE_SECONDS = 0.5
_DESCRIBE_LIMIT = 10  # AWS: DescribeServices takes up to ten services.


class Stage(IntEnum):
    """A stage on the way of a service that comes up."""

    MISSING = 0
    STARTING = 1
    RUNNING = 2
    HEALTHY = 3
    SETTLED = 4


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The stage of a service, what it waits for, and `signs`: what AWS says of its tasks, targets and deployments."""

    stage: Stage
    waiting: str = ""
    signs: tuple[str, ...] = ()


def wait_settled(stack: Stack, connection: Connection, progress: Progress) -> None:
    """Return when all of the stack's services run.

    Raise PermanentError, with the reason and the file of the container's log, when a service cannot come up, when none
    comes further for five minutes, or after an hour.
    """
    ecs, elb = client(connection, "ecs"), client(connection, "elbv2")
    failures = start_failures(stack, connection)
    limit, said, examined = ProgressLimit(STALL_SECONDS), "", time.monotonic()
    while True:
        found = _services(ecs, stack.environment.cluster, [each.ecs_service for each in stack.services.values()])
        standings = {
            name: _standing(each.ecs_service, found.get(each.ecs_service), elb) for name, each in stack.services.items()
        }
        late = [name for name, each in standings.items() if each.stage is not Stage.SETTLED]
        if not late:
            return
        now = time.monotonic()
        limit.observe(signs_of(standings))
        stalled = limit.has_passed
        if stalled or now - examined > _EXAMINE_SECONDS:
            examined = now
            if why := [each for name in late if (each := failures.of(name, is_final=stalled))]:
                raise PermanentError(f"The stack does not come up in the sandbox: {'; '.join(why)}")
            for end in filter(None, map(failures.first_end, late)):
                progress(end)
        waiting = [standings[name].waiting for name in late]
        if stalled:
            raise PermanentError(f"The stack does not come up in the sandbox: {'; '.join(waiting)}.")
        line = f"waiting for {waiting[0]}" + (f" and {len(waiting) - 1} more" if len(waiting) > 1 else "")
        progress("" if line == said else line)
        said = line
        time.sleep(POLL_SECONDS)


def signs_of(standings: Mapping[str, Standing]) -> set[tuple[str, ...]]:
    """Return all that shows how far the services have come."""
    return {(name, sign) for name, each in standings.items() for sign in (each.stage.name, *each.signs)}


def _services(ecs: Any, cluster: str, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for first in range(0, len(names), _DESCRIBE_LIMIT):
        answer = ecs.describe_services(cluster=cluster, services=names[first : first + _DESCRIBE_LIMIT])
        found.update({service["serviceName"]: service for service in answer["services"]})
    return found


def _standing(name: str, service: Mapping[str, Any] | None, elb: Any) -> Standing:
    if service is None:
        return Standing(stage=Stage.MISSING, waiting=f"{name} (no such service)")
    desired = int(service["desiredCount"])
    signs = [f"{service['pendingCount']} pending, {service['runningCount']} running"]
    signs += [f"rollout {each.get('rolloutState', '')}" for each in service["deployments"]]
    if int(service["runningCount"]) != desired:
        event = next((f": {each['message']}" for each in service.get("events", [])), "")
        waiting = f"{name} ({service['runningCount']}/{desired} tasks running{event})"
        return Standing(stage=Stage.STARTING, waiting=waiting, signs=tuple(signs))
    for each in service.get("loadBalancers", []):
        answer = elb.describe_target_health(TargetGroupArn=each["targetGroupArn"])["TargetHealthDescriptions"]
        states = sorted(target["TargetHealth"]["State"] for target in answer)
        signs += [f"{state} {states.count(state)}" for state in states]
        signs += [target["TargetHealth"].get("Description", "") for target in answer]
        if states.count("healthy") != desired:
            _wake(each["targetGroupArn"], answer, elb)
            waiting = f"{name} (targets: {', '.join(states) or 'none'}{_complaint(answer)})"
            return Standing(stage=Stage.RUNNING, waiting=waiting, signs=tuple(signs))
    if {each.get("rolloutState", "COMPLETED") for each in service["deployments"]} != {"COMPLETED"}:
        return Standing(stage=Stage.HEALTHY, waiting=f"{name} (its deployment is not complete)", signs=tuple(signs))
    return Standing(stage=Stage.SETTLED, signs=tuple(signs))


def _complaint(targets: Sequence[Mapping[str, Any]]) -> str:
    """Return what the load balancer has against a target; empty for one that is only new."""
    found = (each["TargetHealth"] for each in targets)
    return next((f": {each['Description']}" for each in found if each["State"] == "unhealthy"), "")


def _wake(target_group: str, targets: Sequence[Mapping[str, Any]], elb: Any) -> None:
    """Asks the unhealthy targets for their health, as the load balancer does, only sooner.

    Loki, Mimir, Tempo and Pyroscope become ready some seconds after they were first asked.
    """
    path = elb.describe_target_groups(TargetGroupArns=[target_group])["TargetGroups"][0].get("HealthCheckPath", "/")
    for each in targets:
        if each["TargetHealth"]["State"] == "initial":
            connection = http.client.HTTPConnection(each["Target"]["Id"], each["Target"]["Port"], timeout=_WAKE_SECONDS)
            with closing(connection), suppress(OSError, http.client.HTTPException):
                connection.request("GET", path)
                connection.getresponse().read()
