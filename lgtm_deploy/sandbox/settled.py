"""Does everything run that should? Every service with its rollout completed and every target healthy."""

import http.client
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.sandbox.clients import client
from lgtm_deploy.sandbox.connection import Connection

LIMIT_SECONDS = 240.0
POLL_SECONDS = 0.25
_WAKE_SECONDS = 0.5
_DESCRIBE_LIMIT = 10  # AWS: DescribeServices takes up to ten services.


def wait_settled(stack: Stack, connection: Connection, progress: Progress) -> None:
    """Returns when all of the stack's services run. Raises PermanentError, with the reason, after four minutes."""
    ecs, elb = client(connection, "ecs"), client(connection, "elbv2")
    names = [service.ecs_service for service in stack.services.values()]
    said, deadline = "", time.monotonic() + LIMIT_SECONDS
    while True:
        services = _services(ecs, stack.environment.cluster, names)
        waiting = [text for name in names for text in _unsettled(name, services.get(name), elb)]
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise PermanentError(f"The stack does not come up in the sandbox: {'; '.join(waiting)}.")
        now = f"waiting for {waiting[0]}" + (f" and {len(waiting) - 1} more" if len(waiting) > 1 else "")
        progress("" if now == said else now)
        said = now
        time.sleep(POLL_SECONDS)


def _services(ecs: Any, cluster: str, names: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for first in range(0, len(names), _DESCRIBE_LIMIT):
        answer = ecs.describe_services(cluster=cluster, services=names[first : first + _DESCRIBE_LIMIT])
        found.update({service["serviceName"]: service for service in answer["services"]})
    return found


def _unsettled(name: str, service: Mapping[str, Any] | None, elb: Any) -> list[str]:
    if service is None:
        return [f"{name} (no such service)"]
    desired = int(service["desiredCount"])
    if int(service["runningCount"]) != desired:
        event = next((f": {each['message']}" for each in service.get("events", [])), "")
        return [f"{name} ({service['runningCount']}/{desired} tasks running{event})"]
    for each in service.get("loadBalancers", []):
        answer = elb.describe_target_health(TargetGroupArn=each["targetGroupArn"])["TargetHealthDescriptions"]
        states = sorted(target["TargetHealth"]["State"] for target in answer)
        if states.count("healthy") != desired:
            _wake(each["targetGroupArn"], answer, elb)
            return [f"{name} (targets: {', '.join(states) or 'none'})"]
    if {each.get("rolloutState", "COMPLETED") for each in service["deployments"]} != {"COMPLETED"}:
        return [f"{name} (its deployment is not complete)"]
    return []


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
