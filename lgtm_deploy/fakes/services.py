"""Services and load balancer of a cloud, as steps see them."""

import math
from collections.abc import Mapping, Sequence

from lgtm_deploy.core.errors import NotFoundError, PermanentError
from lgtm_deploy.core.ports import (
    ContainerSpec,
    DeploymentState,
    HealthCheck,
    ListenerRule,
    ServiceState,
    Target,
    TargetGroup,
    TaskState,
)
from lgtm_deploy.fakes.cloud import PORTS, REGION, FakeCloud
from lgtm_deploy.fakes.rollout import FakeRevision, FakeService


class FakeHost:
    """The cloud's services."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def service(self, name: str) -> ServiceState:
        """The service now. Raises NotFoundError."""
        return self._cloud.perform("host.service", lambda: self._state(_found(self._cloud, name)), name=name)

    def container(self, service: str, container: str) -> ContainerSpec:
        """How the service's task definition starts its container. Raises NotFoundError."""

        def look() -> ContainerSpec:
            found = _found(self._cloud, service)
            if container not in _current(found).images:
                raise NotFoundError(f"The task definition of {service} has no container '{container}'.")
            return found.spec

        return self._cloud.perform("host.container", look, service=service, container=container)

    def registered_names(self, registries: Sequence[str]) -> Sequence[str]:
        """The names of Cloud Map services."""

        def look() -> Sequence[str]:
            known = {arn: name for service in self._cloud.services.values() for arn, name in service.registries.items()}
            return [known[arn] for arn in registries if arn in known]

        return self._cloud.perform("host.registered_names", look, registries=tuple(registries))

    def is_registered(self, task_definition: str) -> bool:
        """Whether that revision can be deployed. Raises NotFoundError."""

        def look() -> bool:
            for service in self._cloud.services.values():
                for revision in service.revisions:
                    if revision.arn == task_definition:
                        return revision.active
            raise NotFoundError(f"There is no task definition {task_definition}.")

        return self._cloud.perform("host.is_registered", look, task_definition=task_definition)

    def revise(self, service: str, images: Mapping[str, str]) -> str:
        """A new revision with these images; returns its ARN. Raises PermanentError for an unknown container."""
        return self._cloud.perform(
            "host.revise", lambda: self._revise(service, images), service=service, images=dict(images)
        )

    def update(
        self,
        service: str,
        *,
        task_definition: str | None = None,
        force: bool = False,
        grace_period_seconds: int | None = None,
    ) -> str:
        """Changes the service and returns the ARN of its newest service deployment."""

        def act() -> str:
            found = _found(self._cloud, service)
            current = _current(found)
            wanted = self._revision(found, task_definition) if task_definition else current
            if grace_period_seconds is not None:
                found.grace_period = grace_period_seconds
            if force or wanted is not current:
                self._cloud.deploy(found, wanted)
            return found.deployments[-1].arn

        return self._cloud.perform(
            "host.update",
            act,
            service=service,
            task_definition=task_definition,
            force=force,
            grace_period_seconds=grace_period_seconds,
        )

    def _revise(self, service: str, images: Mapping[str, str]) -> str:
        found = _found(self._cloud, service)
        current = _current(found)
        unknown = sorted(images.keys() - current.images.keys())
        if unknown:
            raise PermanentError(f"The task definition of {service} has no container '{unknown[0]}'.")
        return self._cloud.register(found, {**current.images, **images}).arn

    def _revision(self, service: FakeService, arn: str) -> FakeRevision:
        for revision in service.revisions:
            if revision.arn == arn:
                if not revision.active and revision is not _current(service):
                    # AWS: UpdateService, ClientException.
                    raise PermanentError("TaskDefinition is inactive.")
                return revision
        raise PermanentError(f"There is no task definition {arn}.")

    def _state(self, service: FakeService) -> ServiceState:
        current = _current(service)
        return ServiceState(
            name=service.name,
            task_definition=current.arn,
            images=dict(current.images),
            desired=service.desired,
            running=sum(task.status == "running" for task in service.tasks),
            pending=sum(task.status == "pending" for task in service.tasks),
            grace_period_seconds=service.grace_period,
            minimum_healthy_percent=service.minimum_percent,
            maximum_percent=service.maximum_percent,
            circuit_breaker=service.circuit_breaker,
            target_groups=tuple(group.arn for group in service.groups),
            registered_ports={group.arn: service.port for group in service.groups},
            platform=service.platform,
            deployment="" if service.deployments[-1].forgotten else service.deployments[-1].arn,
            environment=service.environment,
            health_checks={service.container: f"ask http://localhost:{service.port}{service.check}"}
            if service.check
            else {},
            essential_checks=(service.container,) if service.check else (),
            registries=tuple(service.registries),
            events=tuple(service.events),
        )


class FakeRollouts:
    """How the cloud's services roll out."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def deployment(self, arn: str) -> DeploymentState:
        """The service deployment of that ARN. Raises NotFoundError."""

        def look() -> DeploymentState:
            for service in self._cloud.services.values():
                for deployment in service.deployments:
                    if deployment.arn == arn:
                        return service.deployment_state(deployment)
            raise NotFoundError(f"There is no service deployment {arn}.")

        return self._cloud.perform("rollouts.deployment", look, arn=arn)

    def tasks(self, service: str) -> Sequence[TaskState]:
        """All tasks that the service ever had."""

        def look() -> Sequence[TaskState]:
            found = _found(self._cloud, service)
            return [found.task_state(task) for task in found.tasks]

        return self._cloud.perform("rollouts.tasks", look, service=service)

    def last_lines(self, task: TaskState, container: str, limit: int) -> Sequence[str]:
        """The last lines that the image's contract writes."""

        def look() -> Sequence[str]:
            for service in self._cloud.services.values():
                for each in service.tasks:
                    contract = each.deployment.contract
                    if each.arn == task.arn and service.container == container and contract:
                        return contract.log[-limit:]
            return ()

        return self._cloud.perform("rollouts.last_lines", look, task=task.arn, container=container, limit=limit)


class FakeBalancer:
    """The cloud's target groups."""

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def target_group(self, name: str) -> TargetGroup:
        """The target group of that name. Raises NotFoundError."""

        def look() -> TargetGroup:
            if name not in self._cloud.groups:
                raise NotFoundError(f"There is no target group {name}.")
            return self._cloud.groups[name].described()

        return self._cloud.perform("balancer.target_group", look, name=name)

    def targets(self, arn: str) -> Sequence[Target]:
        """The targets of the group with that ARN. Raises NotFoundError."""

        def look() -> Sequence[Target]:
            for group in self._cloud.groups.values():
                if group.arn == arn:
                    return group.shown()
            raise NotFoundError(f"There is no target group {arn}.")

        return self._cloud.perform("balancer.targets", look, arn=arn)

    def set_health_check(self, arn: str, check: HealthCheck) -> None:
        """Lets the target group check so from now on. Raises NotFoundError."""

        def change() -> None:
            for group in self._cloud.groups.values():
                if group.arn == arn:
                    group.health_check = check
                    return
            raise NotFoundError(f"There is no target group {arn}.")

        self._cloud.perform("balancer.set_health_check", change, arn=arn, check=check)

    def address(self, name: str) -> str:
        """The URL of the load balancer of that name. Raises NotFoundError."""

        def look() -> str:
            if name not in self._cloud.balancers:
                raise NotFoundError(f"There is no load balancer {name}.")
            return self._cloud.balancers[name]

        return self._cloud.perform("balancer.address", look, name=name)

    def rules(self, load_balancer: str) -> Sequence[ListenerRule]:
        """A rule for every service that the cloud's `rules` send a path to, and its `listener_rules`. Raises
        NotFoundError."""

        def look() -> Sequence[ListenerRule]:
            if load_balancer not in self._cloud.balancers:
                raise NotFoundError(f"There is no load balancer {load_balancer}.")
            listed = [*listener_rules(self._cloud), *self._cloud.listener_rules]
            return sorted(listed, key=lambda rule: math.inf if rule.priority is None else rule.priority)

        return self._cloud.perform("balancer.rules", look, load_balancer=load_balancer)


def listener_rules(cloud: FakeCloud) -> list[ListenerRule]:
    """The rules that send the cloud's paths to its services; the path `/` is the default rule's."""
    found = []
    for number, (path, name) in enumerate(cloud.rules.items(), start=1):
        is_default = path == "/"
        groups = cloud.services[name].groups if name in cloud.services else []
        rule = ListenerRule(
            listener=f"arn:aws:elasticloadbalancing:{REGION}:{cloud.account}:listener/app/fake/0123456789abcdef/1",
            port=PORTS[cloud.protocol],
            protocol=cloud.protocol,
            priority=None if is_default else 10 * number,
            paths=() if is_default else (f"{path.rstrip('/')}/*",),
            target_groups=tuple(group.arn for group in groups),
        )
        found.append(rule)
    return found


def _found(cloud: FakeCloud, name: str) -> FakeService:
    if name not in cloud.services:
        raise NotFoundError(f"Cluster {cloud.cluster} has no ECS service {name}.")
    return cloud.services[name]


def _current(service: FakeService) -> FakeRevision:
    """The revision that the service names: during and after a rollback, the one that it went back to."""
    return service.wanted.revision if service.wanted else service.revisions[-1]
