"""What ECS's answers say, in this tool's terms."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lgtm_deploy.core.container_definition import environment_of
from lgtm_deploy.core.ports import (
    ContainerState,
    DeploymentState,
    ServiceEvent,
    ServiceState,
    TaskHealth,
    TaskState,
    TaskStatus,
)

Record = Mapping[str, Any]

_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}
_STATUSES: Mapping[str, TaskStatus] = {
    # AWS: ECS developer guide, "Amazon ECS task lifecycle"
    "PROVISIONING": "pending",
    "PENDING": "pending",
    "ACTIVATING": "pending",
    "RUNNING": "running",
    "DEACTIVATING": "stopping",
    "STOPPING": "stopping",
    "DEPROVISIONING": "stopping",
    "STOPPED": "stopped",
    "DELETED": "stopped",
}
_HEALTH: Mapping[str, TaskHealth] = {"HEALTHY": "healthy", "UNHEALTHY": "unhealthy"}


def service_state(service: Record, definition: Record, deployment: str) -> ServiceState:
    """From DescribeServices and DescribeTaskDefinition; `deployment` is the newest service deployment's ARN."""
    configuration = service.get("deploymentConfiguration", {})
    balancers = [balancer for balancer in service.get("loadBalancers", []) if "targetGroupArn" in balancer]
    return ServiceState(
        name=service["serviceName"],
        task_definition=service["taskDefinition"],
        images={container["name"]: container["image"] for container in definition["containerDefinitions"]},
        desired=service.get("desiredCount", 0),
        running=service.get("runningCount", 0),
        pending=service.get("pendingCount", 0),
        grace_period_seconds=service.get("healthCheckGracePeriodSeconds", 0),
        # Defaults of a rolling update of replicas (AWS: DeploymentConfiguration).
        minimum_healthy_percent=configuration.get("minimumHealthyPercent", 100),
        maximum_percent=configuration.get("maximumPercent", 200),
        circuit_breaker=configuration.get("deploymentCircuitBreaker", {}).get("enable", False),
        target_groups=tuple(balancer["targetGroupArn"] for balancer in balancers),
        registered_ports={
            balancer["targetGroupArn"]: balancer["containerPort"]
            for balancer in balancers
            if "containerPort" in balancer
        },
        platform=platform_of(definition),
        deployment=deployment,
        environment={container["name"]: environment_of(container) for container in definition["containerDefinitions"]},
        health_checks={
            container["name"]: " ".join(container["healthCheck"].get("command", []))
            for container in definition["containerDefinitions"]
            if container.get("healthCheck")
        },
        # AWS: ContainerDefinition, essential: true where it is left out.
        essential_checks=tuple(
            container["name"]
            for container in definition["containerDefinitions"]
            if container.get("healthCheck") and container.get("essential", True)
        ),
        aliases=_aliases(service),
        registries=tuple(each["registryArn"] for each in service.get("serviceRegistries", []) if "registryArn" in each),
        events=_events(service.get("events", [])),
    )


def _aliases(service: Record) -> tuple[str, ...]:
    """AWS: Deployment, serviceConnectConfiguration: the newest deployment's is the one in use."""
    configured: Record = next(
        (each.get("serviceConnectConfiguration", {}) for each in service.get("deployments", [])
         if each.get("status") == "PRIMARY"), {},
    )  # fmt: skip
    found = (
        alias["dnsName"]
        for each in configured.get("services", [])
        for alias in each.get("clientAliases", [])
        if alias.get("dnsName")
    )
    return tuple(dict.fromkeys(found))


def rolls_out_otherwise(service: Record) -> str:
    """How the service is deployed, where ECS does not replace its tasks step by step within one target group; else
    empty.

    AWS: ECS API reference, Service, deploymentController and schedulingStrategy; DeploymentConfiguration, strategy.
    CodeDeploy and external controllers refuse a task definition in UpdateService; blue/green, linear and canary
    deployments move between two target groups; a daemon has no desired count.
    """
    controller = service.get("deploymentController", {}).get("type", "ECS")
    if controller != "ECS":
        return f"is deployed by {controller}"
    strategy = service.get("deploymentConfiguration", {}).get("strategy", "ROLLING")
    if strategy != "ROLLING":
        return f"is deployed by strategy {strategy}"
    scheduling = service.get("schedulingStrategy", "REPLICA")
    return "" if scheduling == "REPLICA" else f"is scheduled as {scheduling}"


def _events(told: Sequence[Record]) -> tuple[ServiceEvent, ...]:
    found = [ServiceEvent(at=each["createdAt"].astimezone(UTC), message=each.get("message", "")) for each in told]
    return tuple(sorted(found, key=lambda event: event.at, reverse=True))


def platform_of(definition: Record) -> str:
    """Docker's spelling of a task definition's platform; ECS's default is Linux on x86-64."""
    platform = definition.get("runtimePlatform") or {}
    system = "windows" if str(platform.get("operatingSystemFamily", "LINUX")).startswith("WINDOWS") else "linux"
    return f"{system}/{_ARCHITECTURES.get(platform.get('cpuArchitecture', 'X86_64'), 'amd64')}"


def deployment_state(deployment: Record, target: Record, *, running: Record) -> DeploymentState:
    """From DescribeServiceDeployments and DescribeServiceRevisions; `running` is the target revision or, once ECS rolls
    back, the one that it goes back to."""
    breaker = deployment.get("deploymentCircuitBreaker", {})
    return DeploymentState(
        arn=deployment["serviceDeploymentArn"],
        status=deployment["status"],
        reason=deployment.get("statusReason") or deployment.get("rollback", {}).get("reason", ""),
        task_definition=target.get("taskDefinition", ""),
        digests=digests_of(running),
        desired=deployment.get("targetServiceRevision", {}).get("requestedTaskCount", 0),
        failed_tasks=breaker.get("failureCount", 0),
        failure_threshold=breaker.get("threshold", 0),
        created_at=_utc(deployment.get("createdAt")),
        finished_at=_utc(deployment.get("finishedAt") or deployment.get("stoppedAt")),
    )


def digests_of(revision: Record) -> dict[str, str]:
    """Container name -> digest. ECS fills them in only once it has resolved the tags."""
    return {
        image["containerName"]: image["imageDigest"]
        for image in revision.get("containerImages", [])
        if image.get("imageDigest")
    }


def task_state(task: Record) -> TaskState:
    """From DescribeTasks."""
    status = _STATUSES.get(task.get("lastStatus", ""), "pending")
    if task.get("desiredStatus") == "STOPPED" and status != "stopped":
        status = "stopping"
    return TaskState(
        arn=task["taskArn"],
        task_definition=task["taskDefinitionArn"],
        status=status,
        address=_address(task),
        created_at=_utc(task.get("createdAt")),
        started_at=_utc(task.get("startedAt")),
        stopped_at=_utc(task.get("stoppedAt")),
        stop_code=task.get("stopCode", ""),
        stopped_reason=task.get("stoppedReason", ""),
        containers=tuple(_container(container) for container in task.get("containers", [])),
        health=_HEALTH.get(task.get("healthStatus", ""), "unknown"),
    )


def _utc(moment: datetime | None) -> datetime | None:
    # botocore gives the machine's own zone.
    return moment.astimezone(UTC) if moment else None


def _container(container: Record) -> ContainerState:
    return ContainerState(
        name=container["name"],
        image=container.get("image", ""),
        digest=container.get("imageDigest", ""),
        exit_code=container.get("exitCode"),
        reason=container.get("reason", ""),
        health=_HEALTH.get(container.get("healthStatus", ""), "unknown"),
    )


def _address(task: Record) -> str:
    for container in task.get("containers", []):
        for interface in container.get("networkInterfaces", []):
            if interface.get("privateIpv4Address"):
                return str(interface["privateIpv4Address"])
    for attachment in task.get("attachments", []):
        for detail in attachment.get("details", []):
            if detail.get("name") == "privateIPv4Address":
                return str(detail["value"])
    return ""
